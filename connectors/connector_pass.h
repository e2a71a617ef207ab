// One pass of a Connector, from Begin to End.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/connector.h"

namespace tokeninventory {

// Used once, by one thread.
class ConnectorPass {
 public:
  ConnectorPass(Connector& connector, const PassContext& context)
      : connector_(connector),
        context_(context),
        manifest_(*connector.spec_.manifest),
        streams_(manifest_.streams.size()) {}

  absl::StatusOr<v1::SyncResult> Run();

 private:
  // How far a stream has come.
  struct StreamProgress {
    // Items for child streams, each once.
    std::vector<JsonValue> items;
    absl::flat_hash_set<std::string> item_texts;
    bool visited = false;   // every listing was asked for
    bool complete = false;  // every listing was complete, and so were its parents
  };
  // A listing while it is read.
  struct Listing {
    const CompiledStream* stream = nullptr;
    StreamProgress* progress = nullptr;
    ScopeRef scope;
    JsonValue parent;
    absl::flat_hash_set<std::string> seen;  // identities of rows
    std::int64_t rows = 0;
    std::int64_t bad_rows = 0;
    std::string first_bad_row;
    std::optional<double> total;
  };

  // Each returns not OK only when the pass is over: stopped, or no recorder.
  absl::Status ReadStreams();
  absl::Status ReadStream(std::size_t index);
  absl::Status ReadListing(std::size_t index, const JsonValue& parent);
  // Why the listing is not complete; empty when it is.
  absl::StatusOr<std::string> ReadPages(Listing& listing);
  // Takes over a page's rows. Why they cannot be taken; empty when they are.
  absl::StatusOr<std::string> TakePage(Listing& listing, PageContent& content, bool& anything_new);
  absl::Status LookUpSuspects(const std::vector<StreamReport>& reports);
  // `exists`: the vendor shows it.
  absl::Status LookUp(const Suspect& suspect, std::map<std::string, bool>& answering, bool& exists);

  // Why a listing failed, for people.
  std::string Explain(const CompiledStream& stream, const VendorAnswer& answer);
  void NoteFailure(const VendorAnswer& answer);
  // What became of reading an answer; ends the pass when readers are lost over one
  // page after the other.
  void NoteReading(VendorFailure failure, const std::string& reason);
  // Why a refused credential, and what to do.
  std::string ExplainRefusal(const VendorAnswer& answer) const;
  void AddIncomplete(const std::string& stream, const std::string& scope,
                     const std::string& reason);
  // Ends the pass when it takes too long.
  void CheckTime();
  // Takes over what the vendor said last of its limits.
  void NoteLimits();
  void TellProgress();
  bool HasToken(std::size_t index) const { return manifest_.streams[index].token != kNoProgram; }
  std::vector<StreamReport> Reports() const;
  v1::Source::State StateNow() const;
  std::string ErrorNow() const;
  absl::StatusOr<v1::SyncResult> End();

  Connector& connector_;
  const PassContext& context_;
  const CompiledManifest& manifest_;
  // What reads the vendor's answers; null while there is nothing to be read.
  std::unique_ptr<PageReader> pages_;
  PassId pass_ = 0;
  absl::Time start_;
  std::vector<StreamProgress> streams_;  // by the manifest's index
  v1::SyncProgress progress_;
  MappingNotes notes_;

  // Why the pass does not go on; STATE_UNSPECIFIED while it does.
  v1::Source::State halted_ = v1::Source::STATE_UNSPECIFIED;
  std::string halt_reason_;
  absl::Time not_before_ = absl::InfinitePast();
  int no_answers_in_a_row_ = 0;
  int server_errors_in_a_row_ = 0;
  int readers_lost_in_a_row_ = 0;

  int complete_listings_ = 0;
  int incomplete_listings_ = 0;
  VendorFailure first_failure_ = VendorFailure::kNone;
  std::vector<v1::IncompleteScope> incomplete_;
};

}  // namespace tokeninventory
