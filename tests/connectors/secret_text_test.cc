#include "connectors/secret_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

// Put together here, so that nobody who scans this repository for secrets finds any.
std::string Join(const std::string& prefix, const std::string& rest) { return prefix + rest; }

constexpr char kAlnum36[] = "a8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0PeUi";
constexpr char kHex40[] = "3f9a1c0b7e5d2846a1b9c8d7e6f504132a7b9c1d";

TEST(SecretTextTest, SecretsAreSeen) {
  const std::string secrets[] = {
      Join("bkua_", kHex40),
      Join("bkct_", kAlnum36),
      Join("bkpt_", kHex40),
      Join("api_", kAlnum36),
      Join("ghp_", kAlnum36),
      Join("ghs_", kAlnum36),
      Join("github_pat_", absl::StrCat("11ABCDEFG0", kAlnum36, "_", kAlnum36)),
      Join("glpat-", "x1Y2z3A4b5C6d7E8f9G0"),
      Join("xoxb-", "123456789012-1234567890123-AbCdEfGhIjKl"),
      Join("AIza", "SyD3kf8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4G"),
      Join("ya29.", "a0AfH6SMBx3kf8Kd03jfLq92MzXv7Tb5Rn"),
      Join("sk-", kAlnum36),
      Join("sk-proj-", "abcdefghijklmnopqrstuvwxyz0123456789"),
      Join("sk-ant-", "api03-Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0"),
      Join("npm_", kAlnum36),
      Join("pypi-", absl::StrCat("AgEIcHlwaS5vcmc", kAlnum36)),
      Join("sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"),
      Join("whsec_", kAlnum36),
      Join("hf_", kAlnum36),
      Join("hvs.", kAlnum36),
      Join("SG.", absl::StrCat("a8Kd03jfLq92MzXv7Tb5Rn.", kAlnum36)),
      Join("dapi", "3f9a1c0b7e5d2846a1b9c8d7e6f50413"),
      // JWT
      Join("eyJ", absl::StrCat("hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.", kAlnum36)),
      // AWS: the example of its documentation, and another one
      Join("wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY"),
      Join("zR3/9kLm+Q0xTf7YpWb2", "Vn8CsHd4GjKe1Uo6AiXq"),
      Join("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE"),
      Join("-----BEGIN ", "PRIVATE KEY-----"),
      Join("Bearer ", kAlnum36),
      Join("BEARER ", kAlnum36),
      Join("authorization: bearer ", kAlnum36),
      Join("https://user:", "s3cr3tpw@example.org/x"),
      Join("postgres://app:", "h4x0r99@db.internal:5432/prod"),
      // Opal's are base64
      Join("mF3kQ9vT2xLr8Zp1Wc6Yh4Gs0PeUiK7d", "Jb5N_g=="),
      // No prefix, 43 and 64 characters
      Join("Zt5KqP0vW3xYb8Nc1Rf6", "Md9Lh2Js7GuEa4ToIiXkQwB"),
      Join("k9Xz2Lq7Vb4Nm1Rt8Wp5Yc3Hd6Jf0Gs", "Qa9Eu2Io7Ki4Ml1Pn8Zx5Cv3Bd6Th0Fr"),
      // More hex than any digest that is named here
      absl::StrCat(kHex40, kHex40),
      // As short as they come
      Join("-----BEGIN ", "PRIVATE KEY"),
      Join("its key is -----BEGIN ", "PRIVATE KEY"),
      Join("sk-", "a8Kd03jfLq92MzXv7Tb5"),
      Join("-sk-", "a8Kd03jfLq92MzXv7Tb5"),
      // In the middle of something
      Join("deploy key (do not share): ghp_", absl::StrCat(kAlnum36, ", expires soon")),
      Join("token=glpat-", "x1Y2z3A4b5C6d7E8f9G0"),
      Join("https://example.org/?key=AIza", "SyD3kf8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4G"),
      // Packed
      absl::Base64Escape(Join("ghp_", kAlnum36)),
  };
  for (const std::string& secret : secrets) EXPECT_TRUE(LooksLikeSecret(secret)) << secret;
}

TEST(SecretTextTest, OthersAreNot) {
  const std::string others[] = {
      "",
      "deploy",
      "CI deploy key for production (eu-west-1)",
      "api_token",
      "api_access_token_of_the_production_environment",
      "api_****************************wxyz",
      "api_...abcd",
      "eyJh****************************************************************abcd",
      "**************************M_g==",
      "ghp_************************************",
      "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      "sk-1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx9",
      "sk-...wxyz",
      "sk-learn-pipeline-in-production-2",
      "xoxb-…-AbCd",
      "npm_aBcD...7890",
      "glpat- is the prefix of GitLab's personal access tokens",
      "Bearer authentication is what the gateway wants",
      "Bearer ****",
      // UUIDs, and several
      "0191b6a2-aa51-70d0-8a5f-aabce115b0fd",
      "7C9E6679-7425-40DE-944B-E07FC1F90AE7",
      "0191b6a2-aa51-70d0-8a5f-aabce115b0fd_0191b13b-0eb6-470d-a4c0-2085974f3580",
      // Digests and fingerprints
      "d41d8cd98f00b204e9800998ecf8427e",
      "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
      "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC",
      "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
      // Ids of vendors
      "arn:aws:iam::123456789012:role/service-role/AWSServiceRoleForAmazonEKSNodegroup42",
      "AKIAIOSFODNN7EXAMPLE",
      "507f1f77bcf86cd799439011",
      "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
      "00ub0oNGTSWTBKOLGLNR",
      "tIx9aGq3LmZ7Wc6Yh4Gs0PeUiK7dJb5N",
      "1234567890-abcdefghijklmnopqrstuvwxyz012345.apps.googleusercontent.com",
      "projects/my-project/serviceAccounts/deployer@my-project.iam.gserviceaccount.com",
      "UmVnaXN0cnlUb2tlbi0tLTAxOTFiNmEyLWFhNTEtNzBkMC04YTVmLWFhYmNlMTE1YjBmZA==",
      "VXNlci0tLTAxOTFiMTNiLTBlYjYtNDcwZC1hNGMwLTIwODU5NzRmMzU4MA==",
      "Q2x1c3RlclRva2VuLS0tYjYwMDE0MTYtMGUxZS00MWM2LTlkYmUtM2Q5Njc2NmY0NTFh",
      // Times, addresses, names
      "2026-11-23T09:35:55.123456789Z",
      "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
      "a.very.long.address.of.Somebody2026.Somewhere42@subdomain.example.org",
      "https://api.buildkite.com/v2/organizations/my_great_org/clusters/"
      "42f1a7da-812d-4430-93d8-1cc7c33a6bcf/tokens/b6001416-0e1e-41c6-9dbe-3d96766f451a",
      "https://user@example.org/",
      "https://user:****@example.org/",
      "https://user:${PASSWORD}@example.org/",
      "http://example.org:8080/a@b",
      "registry.example.org:5000/team/image@sha256:"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "AWSServiceRoleForAmazonEC2ContainerRegistryReplicationInEurope2024",
      "company/department-7/kubernetes-production-cluster/namespace-42/serviceaccount",
      "WorkspaceAdministratorAccessForContinuousIntegrationPipelines",
      "SCREAMING_SNAKE_CASE_CONSTANT_OF_THE_YEAR_2026_VERSION_2",
      "v1.2.3-rc.4+build.20261123.g0191b6a2aa5170d08a5faabce115b0fdaabbccdd",
      "-----BEGIN CERTIFICATE-----\nMIIB",
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8fKq0L3m2Wc6Yh4Gs0PeUiK7dJb5NzRt9Xv1Qy7Ka laptop",
      "Zugangsschlüssel für die nächtliche Übertragung der Verbrauchsdaten",
      "本番環境のデプロイ用のアクセストークンです。他の用途には使わないでください。",
  };
  for (const std::string& other : others) EXPECT_FALSE(LooksLikeSecret(other)) << other;
}

// Random texts of the alphabets that secrets have: nearly all are seen. Seeded, so that the same
// are looked at every time.
TEST(SecretTextTest, RandomnessIsSeen) {
  std::mt19937 random(7);
  const auto seen = [&](const std::string& alphabet, std::size_t size) {
    int count = 0;
    for (int i = 0; i < 1000; ++i) {
      std::string text;
      while (text.size() < size) text += alphabet[random() % alphabet.size()];
      count += LooksLikeSecret(text) ? 1 : 0;
    }
    return count;
  };
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  EXPECT_GT(seen(letters, 40), 900);
  EXPECT_GT(seen(letters + "+/", 40), 900);
  EXPECT_GT(seen(letters + "-_", 43), 900);
  EXPECT_GT(seen(letters, 64), 950);
  // Too short to be sure, and digests.
  EXPECT_EQ(seen(letters, 32), 0);
  EXPECT_EQ(seen("0123456789abcdef", 64), 0);
}

TEST(SecretTextTest, AnyBytesCanBeLookedAt) {
  std::mt19937 random(8);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    while (text.size() < 100) text += static_cast<char>(random());
    LooksLikeSecret(text);
    LooksLikeSecret(absl::StrCat("eyJ", text, "://", text, "@Bearer ", text));
  }
}

}  // namespace
}  // namespace tokeninventory
