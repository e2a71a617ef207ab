#include "server/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <utility>

#include "server/grpc_status.h"

namespace tokeninventory {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

// The file and all that it imports, each once, importers before imports.
void CollectFiles(const FileDescriptor* file, absl::flat_hash_set<const FileDescriptor*>& seen,
                  std::vector<std::string>& out) {
  if (file == nullptr || !seen.insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  // Without them grpcurl writes `expire_time` where everyone else writes `expireTime`.
  file->CopyJsonNameTo(&proto);
  out.push_back(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) CollectFiles(file->dependency(i), seen, out);
}

template <typename Response>
void SetNotFound(Response& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(grpc::StatusCode::NOT_FOUND));
  response.mutable_error_response()->set_error_message("not found");
}

template <typename Response>
void SetFiles(const FileDescriptor* file, Response& response) {
  if (file == nullptr) return SetNotFound(response);
  absl::flat_hash_set<const FileDescriptor*> seen;
  std::vector<std::string> files;
  CollectFiles(file, seen, files);
  for (std::string& bytes : files) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(std::move(bytes));
  }
}

}  // namespace

// One stream: reads a question, writes its answer, reads the next.
template <typename Service, typename Request, typename Response>
class ReflectionServiceOf<Service, Request, Response>::Stream final
    : public grpc::ServerBidiReactor<Request, Response>,
      public GuardedStream {
 public:
  Stream(ReflectionServiceOf& service, const absl::Status& admitted) : service_(service) {
    MutexLock lock(service_.mutex_);
    service_.streams_.insert(this);
    if (!admitted.ok()) {
      FinishLocked(ToGrpcStatus(admitted));
    } else if (service_.draining_) {
      FinishLocked(StopStatus());
    } else {
      this->StartRead(&request_);
    }
  }

  // Not under the service's lock: it asks back.
  void Guard(const grpc::CallbackServerContext& context) {
    place_ = service_.gate_.GuardReflection(context, *this);
  }
  void OnPolicy(const absl::StatusOr<Caller>& caller) override {
    if (caller.ok()) return;
    MutexLock lock(service_.mutex_);
    FinishLocked(ToGrpcStatus(caller.status()));
  }

  // No read or write needs to end first: gRPC fails what is under way.
  void DrainLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mutex_) { FinishLocked(StopStatus()); }

  void OnReadDone(bool ok) override {
    MutexLock lock(service_.mutex_);
    if (finished_) return;
    if (!ok) return FinishLocked(grpc::Status::OK);
    response_.Clear();
    service_.Answer(request_, response_);
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(service_.mutex_);
    if (finished_) return;
    if (!ok) return FinishLocked(grpc::Status::CANCELLED);
    this->StartRead(&request_);
  }
  void OnCancel() override {
    MutexLock lock(service_.mutex_);
    FinishLocked(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    {
      MutexLock lock(service_.mutex_);
      service_.streams_.erase(this);
    }
    delete this;
  }

 private:
  static grpc::Status StopStatus() {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the service stops");
  }
  void FinishLocked(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mutex_) {
    if (finished_) return;
    finished_ = true;
    this->Finish(status);
  }

  ReflectionServiceOf& service_;
  bool finished_ = false;
  Request request_;
  Response response_;
  std::unique_ptr<OpenStreams::Place> place_;
};

template <typename Service, typename Request, typename Response>
ReflectionServiceOf<Service, Request, Response>::ReflectionServiceOf(
    std::vector<std::string> services, Gate& gate)
    : services_(std::move(services)), gate_(gate) {}

template <typename Service, typename Request, typename Response>
void ReflectionServiceOf<Service, Request, Response>::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
  for (Stream* stream : streams_) stream->DrainLocked();
}

template <typename Service, typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>*
ReflectionServiceOf<Service, Request, Response>::ServerReflectionInfo(
    grpc::CallbackServerContext* context) {
  const absl::Status admitted = gate_.AdmitReflection(*context);
  auto* const stream = new Stream(*this, admitted);
  if (admitted.ok()) stream->Guard(*context);
  return stream;
}

template <typename Service, typename Request, typename Response>
void ReflectionServiceOf<Service, Request, Response>::Answer(const Request& request,
                                                             Response& response) const {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      SetFiles(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case Request::kFileContainingSymbol:
      SetFiles(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case Request::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const auto* type = pool.FindMessageTypeByName(wanted.containing_type());
      const auto* extension =
          type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
      SetFiles(extension == nullptr ? nullptr : extension->file(), response);
      break;
    }
    case Request::kAllExtensionNumbersOfType: {
      const std::string& name = request.all_extension_numbers_of_type();
      const auto* type = pool.FindMessageTypeByName(name);
      if (type == nullptr) {
        SetNotFound(response);
        break;
      }
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      pool.FindAllExtensions(type, &extensions);
      auto* numbers = response.mutable_all_extension_numbers_response();
      numbers->set_base_type_name(name);
      for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
      break;
    }
    case Request::kListServices:
      for (const std::string& service : services_) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    default:
      response.mutable_error_response()->set_error_code(
          static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
      response.mutable_error_response()->set_error_message("no question");
  }
}

template class ReflectionServiceOf<grpc::reflection::v1::ServerReflection::CallbackService,
                                   grpc::reflection::v1::ServerReflectionRequest,
                                   grpc::reflection::v1::ServerReflectionResponse>;
template class ReflectionServiceOf<grpc::reflection::v1alpha::ServerReflection::CallbackService,
                                   grpc::reflection::v1alpha::ServerReflectionRequest,
                                   grpc::reflection::v1alpha::ServerReflectionResponse>;

}  // namespace tokeninventory
