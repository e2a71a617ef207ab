#include "base/proto_time.h"

#include "gtest/gtest.h"

namespace tokeninventory::testing {
namespace {

TEST(ProtoTimeTest, TimesGoThereAndBack) {
  struct Case {
    absl::Time time;
    std::int64_t seconds;
    std::int32_t nanos;
  };
  const absl::Time epoch = absl::UnixEpoch();
  const Case cases[] = {
      {epoch, 0, 0},
      {epoch + absl::Nanoseconds(1), 0, 1},
      {epoch + absl::Seconds(1'800'000'000) + absl::Milliseconds(250), 1'800'000'000, 250'000'000},
      // nanos count forwards, also before 1970
      {epoch - absl::Nanoseconds(1), -1, 999'999'999},
      {epoch - absl::Milliseconds(1500), -2, 500'000'000},
      {absl::FromUnixSeconds(-62'135'596'800), -62'135'596'800, 0},  // year 1
      {absl::FromUnixSeconds(253'402'300'799) + absl::Nanoseconds(999'999'999),
       253'402'300'799,  // 9999
       999'999'999},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::FormatTime(c.time, absl::UTCTimeZone()));
    google::protobuf::Timestamp proto;
    ToProto(c.time, &proto);
    EXPECT_EQ(proto.seconds(), c.seconds);
    EXPECT_EQ(proto.nanos(), c.nanos);
    EXPECT_EQ(FromProto(proto), c.time);
  }
}

TEST(ProtoTimeTest, DropsPartsOfANanosecond) {
  google::protobuf::Timestamp proto;
  ToProto(absl::UnixEpoch() + absl::Nanoseconds(7) + absl::Nanoseconds(1) / 2, &proto);
  EXPECT_EQ(proto.nanos(), 7);
}

TEST(ProtoTimeTest, DurationsGoThereAndBack) {
  struct Case {
    absl::Duration duration;
    std::int64_t seconds;
    std::int32_t nanos;
  };
  const Case cases[] = {
      {absl::ZeroDuration(), 0, 0},
      {absl::Hours(24 * 90), 7'776'000, 0},
      {absl::Milliseconds(1500), 1, 500'000'000},
      // seconds and nanos have one sign
      {-absl::Milliseconds(1500), -1, -500'000'000},
      {-absl::Nanoseconds(1), 0, -1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::FormatDuration(c.duration));
    google::protobuf::Duration proto;
    ToProto(c.duration, &proto);
    EXPECT_EQ(proto.seconds(), c.seconds);
    EXPECT_EQ(proto.nanos(), c.nanos);
    EXPECT_EQ(FromProto(proto), c.duration);
  }
}

}  // namespace
}  // namespace tokeninventory::testing
