// Lists the tokens that expire soon, then follows the notices of those that do.
//
// What is told comes at least once: the resume token is saved only after the work is done, so a
// crash between the two tells an event again, with the same event_id.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"time"

	pb "example.org/expiring/gen"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	server = flag.String("server", "127.0.0.1:50051", "`HOST:PORT`")
	ca     = flag.String("ca", "", "use TLS, and trust the authorities in this PEM `file`")
	within = flag.String("within", "30d", "how soon is soon")
	filter = flag.String("filter", "", "only these tokens (docs/filter.md)")
	state  = flag.String("state", "", "follow, and keep the resume token in this `file`")
)

// Sent as `authorization: Bearer …`, and over TLS only.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

func connect() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		// A dead connection is noticed within 40 s; the service allows a ping each 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
	transport := insecure.NewCredentials()
	if *ca != "" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(*ca, ""); err != nil {
			return nil, err
		}
	}
	if token := os.Getenv("TOKEN_INVENTORY_TOKEN"); token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	return grpc.NewClient(*server, append(options, grpc.WithTransportCredentials(transport))...)
}

// The reason, for programs, and how long the service asks to wait.
func readError(err error) (reason string, wait time.Duration) {
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = detail.GetReason()
		case *errdetails.RetryInfo:
			wait = detail.GetRetryDelay().AsDuration()
		}
	}
	return reason, wait
}

func showError(err error) {
	reason, _ := readError(err)
	log.Printf("%s %s: %s", status.Code(err), reason, status.Convert(err).Message())
}

func utc(t *timestamppb.Timestamp) string { return t.AsTime().Format("2006-01-02T15:04:05Z") }

// Prints every page; returns where to watch from to miss nothing since the first.
func listExpiring(client pb.TokenInventoryClient) (string, error) {
	soon := "state = ACTIVE AND effective_expire_time < now+" + *within
	if *filter != "" {
		soon = "(" + *filter + ") AND " + soon
	}
	request := &pb.ListTokensRequest{
		Parent: "sources/-", Filter: soon, OrderBy: "effective_expire_time", PageSize: 100,
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		page, err := client.ListTokens(ctx, request)
		cancel()
		if err != nil {
			return "", err
		}
		for _, token := range page.GetTokens() {
			fmt.Printf("%s  %s  %s\n", utc(token.GetEffectiveExpireTime()), token.GetName(), token.GetDisplayName())
		}
		if page.GetNextPageToken() == "" {
			return page.GetResumeToken(), nil
		}
		request.PageToken = page.GetNextPageToken()
	}
}

func tell(notice *pb.Expiration) {
	what := notice.GetKind().String()
	if notice.GetState() == pb.Expiration_RESOLVED && notice.GetResolution() != nil {
		what = "RESOLVED " + notice.GetResolution().GetCause().String()
	}
	end := "-"
	if notice.GetEffectiveExpireTime() != nil {
		end = utc(notice.GetEffectiveExpireTime())
	}
	// Some are about a source; of what the caller may no longer see, only the uid is told.
	subject := notice.GetUid()
	for _, name := range []string{notice.GetSource(), notice.GetToken().GetName()} {
		if name != "" {
			subject = name
		}
	}
	fmt.Printf("%s  %s  %s  %s  %s\n", notice.GetEventId(), what, end, subject, notice.GetToken().GetDisplayName())
}

// "" when there is none yet.
func load() string {
	resumeToken, err := os.ReadFile(*state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatal(err)
	}
	return string(resumeToken)
}

// Whole or not at all, also when the power fails.
func save(resumeToken string) {
	file, err := os.Create(*state + ".new")
	if err == nil {
		_, err = file.WriteString(resumeToken)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err == nil {
		err = os.Rename(*state+".new", *state)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Tells what comes until the stream ends; `told` is called after each message.
func watch(client pb.TokenInventoryClient, told func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := client.WatchExpirations(ctx, &pb.WatchExpirationsRequest{
		Parent: "sources/-",
		Filter: *filter,
		Start:  &pb.WatchExpirationsRequest_ResumeToken{ResumeToken: load()},
		OnGap:  pb.GapAction_RESYNC,
	})
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		if message.GetReset_() != nil {
			// Too long away, or another store. All notices that are open follow; who keeps a copy
			// forgets it here.
			log.Println("reset:", message.GetReset_().GetReason())
		}
		for _, batch := range message.GetBatches() {
			for _, notice := range batch.GetExpirations() {
				tell(notice)
			}
		}
		if message.GetSynced() != nil {
			log.Println("synced: these are all that are open")
		}
		// Last, after the work. Empty in the midst of a revision: the one before stays.
		if message.GetResumeToken() != "" {
			save(message.GetResumeToken())
		}
		told()
	}
}

// Whether waiting helps. Everything else needs a person.
func tryAgain(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.ResourceExhausted, codes.Canceled, codes.DeadlineExceeded, codes.Internal:
		return true
	}
	return false
}

func follow(client pb.TokenInventoryClient) {
	const shortest, longest = 500 * time.Millisecond, 30 * time.Second
	delay := shortest
	for {
		err := watch(client, func() { delay = shortest })
		showError(err)
		if !tryAgain(status.Code(err)) {
			os.Exit(1)
		}
		_, wait := readError(err)
		time.Sleep(max(wait, delay/2+rand.N(delay/2)))
		delay = min(delay*2, longest)
	}
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	connection, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := pb.NewTokenInventoryClient(connection)
	resumeToken, err := listExpiring(client)
	if err != nil {
		showError(err)
		os.Exit(1)
	}
	if *state != "" {
		if load() == "" {
			save(resumeToken)
		}
		follow(client)
	}
}
