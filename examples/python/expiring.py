#!/usr/bin/env python3
"""Lists the tokens that expire soon, then follows the notices of those that do.

With --webhook each notice is posted as JSON, as Slack's incoming webhooks want it. What is told
comes at least once: the resume token is saved only after the work is done, so a crash between the
two tells an event again, with the same event_id. Receivers drop ids that they have seen.
"""

import argparse
import json
import os
import random
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "gen"))
import grpc
from google.rpc import error_details_pb2
from tokeninventory.v1 import expiration_pb2, token_inventory_pb2, token_inventory_pb2_grpc, watch_pb2

# Waiting helps here. Everything else needs a person.
TRY_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
}


def connect(server, ca):
    # A dead connection is noticed within 40 s; the service allows a ping each 10 s.
    options = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]
    token = os.environ.get("TOKEN_INVENTORY_TOKEN")
    if not ca:
        if token:
            sys.exit("TOKEN_INVENTORY_TOKEN needs --ca: it would travel in plain text")
        return grpc.insecure_channel(server, options)
    with open(ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    if token:
        bearer = grpc.access_token_call_credentials(token)  # authorization: Bearer …
        credentials = grpc.composite_channel_credentials(credentials, bearer)
    return grpc.secure_channel(server, credentials, options)


def read_error(error):
    """The reason, for programs, and the seconds that the service asks to wait."""
    reason, wait = "", 0.0
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in error_details_pb2.Status.FromString(value).details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(retry):
                wait = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, wait


def show_error(error):
    print(f"{error.code().name} {read_error(error)[0]}: {error.details()}", file=sys.stderr)


def utc(timestamp):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(timestamp.seconds))


def list_expiring(stub, within, filter):
    """Prints every page; returns where to watch from to miss nothing since the first."""
    soon = f"state = ACTIVE AND effective_expire_time < now+{within}"
    request = token_inventory_pb2.ListTokensRequest(
        parent="sources/-",
        filter=f"({filter}) AND {soon}" if filter else soon,
        order_by="effective_expire_time",
        page_size=100,
    )
    while True:
        page = stub.ListTokens(request, timeout=10)
        for token in page.tokens:
            print(utc(token.effective_expire_time), token.name, token.display_name, sep="  ")
        if not page.next_page_token:
            return page.resume_token
        request.page_token = page.next_page_token


def tell(notice, webhook):
    Notice = expiration_pb2.Expiration
    what = Notice.Kind.Name(notice.kind)
    if notice.state == Notice.RESOLVED and notice.HasField("resolution"):
        what = f"RESOLVED {Notice.Resolution.Cause.Name(notice.resolution.cause)}"
    # Some are about a source; of what the caller may no longer see, only the uid is told.
    subject = notice.token.name or notice.source or notice.uid
    end = utc(notice.effective_expire_time) if notice.HasField("effective_expire_time") else "-"
    print(notice.event_id, what, end, subject, notice.token.display_name, sep="  ", flush=True)
    if webhook:
        text = f"{what}: {notice.token.display_name or subject} ends {end} ({subject})"
        body = json.dumps({"text": text, "event_id": notice.event_id}).encode()
        headers = {"content-type": "application/json", "idempotency-key": notice.event_id}
        urllib.request.urlopen(urllib.request.Request(webhook, body, headers), timeout=10).close()


def load(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def save(path, resume_token):
    """Whole or not at all, also when the power fails."""
    with open(path + ".new", "w") as file:
        file.write(resume_token)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def handle(message, args):
    """Read in this order: reset, batches, synced, resume_token."""
    if message.HasField("reset"):
        # Too long away, or another store. All notices that are open follow; who keeps a copy
        # forgets it here.
        print("reset:", watch_pb2.WatchReset.Reason.Name(message.reset.reason), file=sys.stderr)
    for batch in message.batches:
        for notice in batch.expirations:
            tell(notice, args.webhook)
    if message.HasField("synced"):
        print("synced: these are all that are open", file=sys.stderr)
    # Last, after the work. Empty in the midst of a revision: the one before stays.
    if message.resume_token:
        save(args.state, message.resume_token)


def follow(stub, args):
    delay = 0.5
    while True:
        request = expiration_pb2.WatchExpirationsRequest(
            parent="sources/-",
            filter=args.filter,
            resume_token=load(args.state),
            on_gap=watch_pb2.RESYNC,
        )
        wait = 0.0
        try:
            for message in stub.WatchExpirations(request):
                handle(message, args)
                delay = 0.5
        except grpc.RpcError as error:
            show_error(error)
            if error.code() not in TRY_AGAIN:
                sys.exit(1)
            wait = read_error(error)[1]
        except OSError as error:  # the webhook's
            print(f"webhook: {error}", file=sys.stderr)
        time.sleep(max(wait, delay * random.uniform(0.5, 1)))
        delay = min(delay * 2, 30)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50051", help="HOST:PORT")
    parser.add_argument("--ca", help="use TLS, and trust the authorities in this PEM file")
    parser.add_argument("--within", default="30d", help="how soon is soon")
    parser.add_argument("--filter", default="", help="only these tokens (docs/filter.md)")
    parser.add_argument("--state", help="follow, and keep the resume token in this file")
    parser.add_argument("--webhook", help="post each notice to this URL")
    args = parser.parse_args()

    stub = token_inventory_pb2_grpc.TokenInventoryStub(connect(args.server, args.ca))
    try:
        resume_token = list_expiring(stub, args.within, args.filter)
    except grpc.RpcError as error:
        show_error(error)
        sys.exit(1)
    if args.state:
        if not load(args.state):
            save(args.state, resume_token)
        sys.stdout.flush()
        follow(stub, args)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
