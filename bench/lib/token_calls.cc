#include "bench/lib/token_calls.h"

#include <algorithm>
#include <random>

#include "absl/strings/string_view.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::bench {

std::vector<std::string> ShuffledNames(const TokenFile& tokens, std::size_t most) {
  std::vector<absl::string_view> shuffled = tokens.tokens();
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(2));
  shuffled.resize(std::min(shuffled.size(), most));
  std::vector<std::string> names;
  for (const absl::string_view token : shuffled) names.push_back(KeyOf(token).name);
  return names;
}

Calls GetCalls(const std::vector<std::string>& names) {
  Calls calls{kGetToken, {}, kGetCallers};
  for (const std::string& name : names) {
    v1::GetTokenRequest request;
    request.set_name(name);
    calls.requests.push_back(request.SerializeAsString());
  }
  return calls;
}

Calls PageCalls(LoadClient& client, int page_size, const std::string& order_by) {
  Calls calls{kListTokens, {}, kPageCallers};
  v1::ListTokensRequest request;
  request.set_parent("sources/-");
  request.set_page_size(page_size);
  request.set_order_by(order_by);
  request.set_view(v1::FULL);
  do {
    const std::string bytes = request.SerializeAsString();
    v1::ListTokensResponse page;
    if (!page.ParseFromString(client.Call(kListTokens, bytes))) Fail("a bad page");
    if (page.tokens_size() != page_size) break;
    calls.requests.push_back(bytes);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return calls;
}

Calls FilterCalls(const std::string& filter) {
  v1::ListTokensRequest request;
  request.set_parent("sources/-");
  request.set_page_size(1);
  request.set_filter(filter);
  return {kListTokens, {request.SerializeAsString()}, 1};
}

}  // namespace tokeninventory::bench
