import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.tokeninventory.v1.Expiration;
import dev.tokeninventory.v1.ExpirationBatch;
import dev.tokeninventory.v1.GapAction;
import dev.tokeninventory.v1.ListTokensRequest;
import dev.tokeninventory.v1.ListTokensResponse;
import dev.tokeninventory.v1.Token;
import dev.tokeninventory.v1.TokenInventoryGrpc;
import dev.tokeninventory.v1.WatchExpirationsRequest;
import dev.tokeninventory.v1.WatchExpirationsResponse;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Lists the tokens that expire soon, then follows the notices of those that do.
 *
 * <p>What is told comes at least once: the resume token is saved only after the work is done, so a
 * crash between the two tells an event again, with the same event_id.
 */
public final class Expiring {
  // Waiting helps here. Everything else needs a person.
  private static final Set<Code> TRY_AGAIN =
      Set.of(
          Code.UNAVAILABLE,
          Code.RESOURCE_EXHAUSTED,
          Code.CANCELLED,
          Code.DEADLINE_EXCEEDED,
          Code.INTERNAL);

  private final Map<String, String> flags;
  private final TokenInventoryGrpc.TokenInventoryBlockingStub stub;

  private Expiring(Map<String, String> flags) throws IOException {
    this.flags = flags;
    String token = System.getenv("TOKEN_INVENTORY_TOKEN");
    ChannelCredentials credentials = InsecureChannelCredentials.create();
    if (flags.containsKey("ca")) {
      credentials =
          TlsChannelCredentials.newBuilder().trustManager(new File(flags.get("ca"))).build();
    } else if (token != null) {
      throw new IOException("TOKEN_INVENTORY_TOKEN needs --ca: it would travel in plain text");
    }
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(flags.get("server"), credentials)
            // A dead connection is noticed within 40 s; the service allows a ping each 10 s.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS);
    if (token != null) {
      Metadata headers = new Metadata();
      headers.put(
          Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
      builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
    }
    ManagedChannel channel = builder.build();
    stub = TokenInventoryGrpc.newBlockingStub(channel);
  }

  /** The reason, for programs, and the milliseconds that the service asks to wait. */
  private record Why(String reason, long waitMillis) {
    static Why of(StatusRuntimeException error) {
      String reason = "";
      long wait = 0;
      com.google.rpc.Status status = StatusProto.fromThrowable(error);
      try {
        for (Any detail : status == null ? Set.<Any>of() : status.getDetailsList()) {
          if (detail.is(ErrorInfo.class)) {
            reason = detail.unpack(ErrorInfo.class).getReason();
          } else if (detail.is(RetryInfo.class)) {
            Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
            wait = TimeUnit.SECONDS.toMillis(delay.getSeconds()) + delay.getNanos() / 1_000_000;
          }
        }
      } catch (InvalidProtocolBufferException e) {
        // Details help; the code alone does, too.
      }
      return new Why(reason, wait);
    }
  }

  private static void showError(StatusRuntimeException error) {
    System.err.printf(
        "%s %s: %s%n",
        error.getStatus().getCode(), Why.of(error).reason(), error.getStatus().getDescription());
  }

  private static String utc(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds()).toString();
  }

  /** Prints every page; returns where to watch from to miss nothing since the first. */
  private String listExpiring() {
    String filter = "state = ACTIVE AND effective_expire_time < now+" + flags.get("within");
    if (!flags.get("filter").isEmpty()) filter = "(" + flags.get("filter") + ") AND " + filter;
    ListTokensRequest.Builder request =
        ListTokensRequest.newBuilder()
            .setParent("sources/-")
            .setFilter(filter)
            .setOrderBy("effective_expire_time")
            .setPageSize(100);
    while (true) {
      ListTokensResponse page =
          stub.withDeadlineAfter(10, TimeUnit.SECONDS).listTokens(request.build());
      for (Token token : page.getTokensList()) {
        System.out.println(
            String.join(
                "  ",
                utc(token.getEffectiveExpireTime()),
                token.getName(),
                token.getDisplayName()));
      }
      if (page.getNextPageToken().isEmpty()) return page.getResumeToken();
      request.setPageToken(page.getNextPageToken());
    }
  }

  private static void tell(Expiration notice) {
    String what = notice.getKind().name();
    if (notice.getState() == Expiration.State.RESOLVED && notice.hasResolution()) {
      what = "RESOLVED " + notice.getResolution().getCause();
    }
    String end = notice.hasEffectiveExpireTime() ? utc(notice.getEffectiveExpireTime()) : "-";
    // Some are about a source; of what the caller may no longer see, only the uid is told.
    String subject = notice.getToken().getName();
    if (subject.isEmpty()) subject = notice.getSource();
    if (subject.isEmpty()) subject = notice.getUid();
    System.out.println(
        String.join(
            "  ", notice.getEventId(), what, end, subject, notice.getToken().getDisplayName()));
  }

  private String load() throws IOException {
    Path path = Path.of(flags.get("state"));
    return Files.exists(path) ? Files.readString(path) : "";
  }

  /** Whole or not at all, also when the power fails. */
  private void save(String resumeToken) throws IOException {
    Path whole = Path.of(flags.get("state"));
    Path next = Path.of(flags.get("state") + ".new");
    Files.writeString(
        next,
        resumeToken,
        StandardOpenOption.CREATE,
        StandardOpenOption.TRUNCATE_EXISTING,
        StandardOpenOption.WRITE,
        StandardOpenOption.SYNC);
    Files.move(next, whole, StandardCopyOption.ATOMIC_MOVE);
  }

  /** Read in this order: reset, batches, synced, resume_token. */
  private void handle(WatchExpirationsResponse message) throws IOException {
    if (message.hasReset()) {
      // Too long away, or another store. All notices that are open follow; who keeps a copy
      // forgets it here.
      System.err.println("reset: " + message.getReset().getReason());
    }
    for (ExpirationBatch batch : message.getBatchesList()) {
      batch.getExpirationsList().forEach(Expiring::tell);
    }
    if (message.hasSynced()) System.err.println("synced: these are all that are open");
    // Last, after the work. Empty in the midst of a revision: the one before stays.
    if (!message.getResumeToken().isEmpty()) save(message.getResumeToken());
  }

  private void follow() throws IOException, InterruptedException {
    long delay = 500;
    while (true) {
      WatchExpirationsRequest request =
          WatchExpirationsRequest.newBuilder()
              .setParent("sources/-")
              .setFilter(flags.get("filter"))
              .setResumeToken(load())
              .setOnGap(GapAction.RESYNC)
              .build();
      long wait = 0;
      try {
        Iterator<WatchExpirationsResponse> messages = stub.watchExpirations(request);
        while (messages.hasNext()) {
          handle(messages.next());
          delay = 500;
        }
      } catch (StatusRuntimeException error) {
        if (!TRY_AGAIN.contains(error.getStatus().getCode())) throw error;
        showError(error);
        wait = Why.of(error).waitMillis();
      }
      Thread.sleep(Math.max(wait, ThreadLocalRandom.current().nextLong(delay / 2, delay)));
      delay = Math.min(delay * 2, 30_000);
    }
  }

  public static void main(String[] args) throws InterruptedException {
    Map<String, String> flags = new TreeMap<>(Map.of("within", "30d", "filter", ""));
    flags.put("server", "127.0.0.1:50051");
    for (int i = 0; i < args.length; i += 2) {
      if (i + 1 == args.length || !args[i].matches("--(server|ca|within|filter|state)")) {
        System.err.println(
            "usage: expiring [--server HOST:PORT] [--ca FILE.pem] [--within 30d] [--filter FILTER]"
                + " [--state FILE]");
        System.exit(2);
      }
      flags.put(args[i].substring(2), args[i + 1]);
    }
    try {
      Expiring expiring = new Expiring(flags);
      String resumeToken = expiring.listExpiring();
      if (flags.containsKey("state")) {
        if (expiring.load().isEmpty()) expiring.save(resumeToken);
        expiring.follow();
      }
    } catch (StatusRuntimeException error) {
      showError(error);
      System.exit(1);
    } catch (IOException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
    System.exit(0);
  }
}
