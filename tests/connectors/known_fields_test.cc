#include "connectors/page_worker/known_fields.h"

#include <gtest/gtest.h>

#include <string>

#include "tokeninventory/internal/v1/page_worker.pb.h"

namespace tokeninventory {
namespace {

using internal::v1::PageWorkerReply;

// A reply with fields of each kind, some of them deep down.
PageWorkerReply FullReply() {
  PageWorkerReply reply;
  reply.mutable_page()->set_row_count(300);
  reply.mutable_page()->set_total(2.5);
  (*(*reply.mutable_page()->mutable_next()->mutable_fields())["query"]
        .mutable_struct_value()
        ->mutable_fields())["page"]
      .set_number_value(2);
  internal::v1::ReadRow& row = *reply.mutable_page()->add_rows();
  (*row.mutable_item()->mutable_members())["org"] = "acme";
  v1::Token& token = *row.add_tokens();
  token.set_provider_token_id("q7");
  token.mutable_expire_time()->set_seconds(-5);
  token.add_scopes()->set_id("production");
  (*token.mutable_attributes()->mutable_fields())["on"].set_bool_value(true);
  return reply;
}

class KnownFieldsTest : public ::testing::Test {
 protected:
  bool Cover(const PageWorkerReply& reply) { return known_.Cover(reply.SerializeAsString()); }

  const KnownFields known_{PageWorkerReply::descriptor()};
};

TEST_F(KnownFieldsTest, CoverWhatAWorkerSays) {
  EXPECT_TRUE(Cover(PageWorkerReply()));
  EXPECT_TRUE(Cover(FullReply()));
}

TEST_F(KnownFieldsTest, SeesAnUnknownFieldAnywhere) {
  const auto add = [](google::protobuf::Message& message) {
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(900, 1);
  };
  PageWorkerReply on_top = FullReply();
  add(on_top);
  EXPECT_FALSE(Cover(on_top));
  PageWorkerReply in_token = FullReply();
  add(*in_token.mutable_page()->mutable_rows(0)->mutable_tokens(0));
  EXPECT_FALSE(Cover(in_token));
  PageWorkerReply in_time = FullReply();
  add(*in_time.mutable_page()->mutable_rows(0)->mutable_tokens(0)->mutable_expire_time());
  EXPECT_FALSE(Cover(in_time));
  PageWorkerReply in_value = FullReply();
  add((*in_value.mutable_page()
            ->mutable_rows(0)
            ->mutable_tokens(0)
            ->mutable_attributes()
            ->mutable_fields())["on"]);
  EXPECT_FALSE(Cover(in_value));
}

// A known number in another wire type is an unknown field to a parser.
TEST_F(KnownFieldsTest, SeesAnotherWireType) {
  PageWorkerReply reply;
  google::protobuf::UnknownFieldSet& fields = *reply.GetReflection()->MutableUnknownFields(&reply);
  fields.AddVarint(PageWorkerReply::kFailureFieldNumber, 1);
  EXPECT_FALSE(Cover(reply));
}

TEST_F(KnownFieldsTest, SaysNoOfWhatIsNoMessage) {
  const std::string bytes = FullReply().SerializeAsString();
  EXPECT_FALSE(known_.Cover(bytes.substr(0, bytes.size() - 1)));
  EXPECT_FALSE(known_.Cover(std::string(20, '\xFF')));
}

}  // namespace
}  // namespace tokeninventory
