// Lists the tokens that expire soon, then follows the notices of those that do.
//
// What is told comes at least once: the resume token is saved only after the work is done, so a
// crash between the two tells an event again, with the same event_id.
import fs from 'node:fs';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

// The protos are read as they are; nothing is generated.
const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));
const {tokeninventory} = grpc.loadPackageDefinition(
    protoLoader.loadSync('tokeninventory/v1/token_inventory.proto', {
      includeDirs: [protoDir],
      keepCase: true,  // expire_time, as in the protos
      longs: String,
      enums: String,
    }));
const Status =
    protobuf.loadSync(path.join(protoDir, 'google/rpc/error_details.proto')).lookupType('google.rpc.Status');

const {values: args} = parseArgs({
  options: {
    server: {type: 'string', default: '127.0.0.1:50051'},
    ca: {type: 'string'},                       // use TLS, and trust the authorities in this PEM file
    within: {type: 'string', default: '30d'},   // how soon is soon
    filter: {type: 'string', default: ''},      // only these tokens (docs/filter.md)
    state: {type: 'string'},                    // follow, and keep the resume token in this file
  },
});

function connect() {
  const token = process.env.TOKEN_INVENTORY_TOKEN;
  if (token && !args.ca) throw new Error('TOKEN_INVENTORY_TOKEN needs --ca: it would travel in plain text');
  let credentials = args.ca ? grpc.credentials.createSsl(fs.readFileSync(args.ca)) : grpc.credentials.createInsecure();
  if (token) {
    credentials = grpc.credentials.combineChannelCredentials(
        credentials, grpc.credentials.createFromMetadataGenerator((_, callback) => {
          const metadata = new grpc.Metadata();
          metadata.set('authorization', `Bearer ${token}`);
          callback(null, metadata);
        }));
  }
  return new tokeninventory.v1.TokenInventory(args.server, credentials, {
    // A dead connection is noticed within 40 s; the service allows a ping each 10 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
}

// The reason, for programs, and the milliseconds that the service asks to wait.
function readError(error) {
  let reason = '', wait = 0;
  for (const bytes of error.metadata?.get('grpc-status-details-bin') ?? []) {
    for (const detail of Status.decode(bytes).details) {
      const type = Status.root.lookupType(detail.type_url.split('/').pop());
      const value = type.decode(detail.value);
      if (type.name === 'ErrorInfo') reason = value.reason;
      if (type.name === 'RetryInfo') wait = Number(value.retryDelay.seconds) * 1000 + value.retryDelay.nanos / 1e6;
    }
  }
  return {reason, wait};
}

function showError(error) {
  console.error(`${grpc.status[error.code]} ${readError(error).reason}: ${error.details}`);
}

const utc = (timestamp) => new Date(timestamp.seconds * 1000).toISOString().replace('.000', '');

// Prints every page; resolves to where to watch from to miss nothing since the first.
async function listExpiring(client) {
  const soon = `state = ACTIVE AND effective_expire_time < now+${args.within}`;
  const request = {
    parent: 'sources/-',
    filter: args.filter ? `(${args.filter}) AND ${soon}` : soon,
    order_by: 'effective_expire_time',
    page_size: 100,
  };
  for (;;) {
    const page = await new Promise((resolve, reject) => {
      client.listTokens(
          request, {deadline: Date.now() + 10_000}, (error, page) => error ? reject(error) : resolve(page));
    });
    for (const token of page.tokens ?? []) {
      console.log(`${utc(token.effective_expire_time)}  ${token.name}  ${token.display_name}`);
    }
    if (!page.next_page_token) return page.resume_token;
    request.page_token = page.next_page_token;
  }
}

function tell(notice) {
  const what = notice.state === 'RESOLVED' && notice.resolution ? `RESOLVED ${notice.resolution.cause}` : notice.kind;
  const end = notice.effective_expire_time ? utc(notice.effective_expire_time) : '-';
  // Some are about a source; of what the caller may no longer see, only the uid is told.
  const subject = notice.token?.name || notice.source || notice.uid;
  console.log(`${notice.event_id}  ${what}  ${end}  ${subject}  ${notice.token?.display_name ?? ''}`);
}

const load = () => fs.existsSync(args.state) ? fs.readFileSync(args.state, 'utf8') : '';

// Whole or not at all, also when the power fails.
function save(resumeToken) {
  const file = fs.openSync(`${args.state}.new`, 'w');
  fs.writeSync(file, resumeToken);
  fs.fsyncSync(file);
  fs.closeSync(file);
  fs.renameSync(`${args.state}.new`, args.state);
}

// Read in this order: reset, batches, synced, resume_token.
function handle(message) {
  // Too long away, or another store. All notices that are open follow; who keeps a copy forgets it
  // here.
  if (message.reset) console.error('reset:', message.reset.reason);
  for (const batch of message.batches ?? []) batch.expirations.forEach(tell);
  if (message.synced) console.error('synced: these are all that are open');
  // Last, after the work. Empty in the midst of a revision: the one before stays.
  if (message.resume_token) save(message.resume_token);
}

// Waiting helps here. Everything else needs a person.
const tryAgain = new Set([
  grpc.status.UNAVAILABLE,
  grpc.status.RESOURCE_EXHAUSTED,
  grpc.status.CANCELLED,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.INTERNAL,
]);

async function follow(client) {
  let delay = 500;
  for (;;) {
    const stream = client.watchExpirations({
      parent: 'sources/-',
      filter: args.filter,
      resume_token: load(),
      on_gap: 'RESYNC',
    });
    let wait = 0;
    try {
      for await (const message of stream) {
        handle(message);
        delay = 500;
      }
    } catch (error) {
      if (!tryAgain.has(error.code)) throw error;
      showError(error);
      wait = readError(error).wait;
    }
    await sleep(Math.max(wait, delay * (0.5 + Math.random() / 2)));
    delay = Math.min(delay * 2, 30_000);
  }
}

try {
  const client = connect();
  const resumeToken = await listExpiring(client);
  if (args.state) {
    if (!load()) save(resumeToken);
    await follow(client);
  }
  client.close();
} catch (error) {
  if (error.metadata) showError(error);
  else console.error(error.message);
  process.exit(1);
}
