// A Vorpal that answers after a fixed time. A separate program, so that it takes no time of the measuring event loop.
// [--chat-ms 0] [--scoring-ms 0] [--scoring-at-once N]
import { parseArgs } from 'node:util';
import { announceAddress } from './child-program.js';
import { FixedLatencyVorpal } from './fixed-latency-vorpal.js';

const { values } = parseArgs({
  options: {
    'chat-ms': { type: 'string', default: '0' },
    'scoring-ms': { type: 'string', default: '0' },
    'scoring-at-once': { type: 'string' },
  },
});
const atOnce = values['scoring-at-once'];
const stub = await FixedLatencyVorpal.start({
  chatMs: Number(values['chat-ms']),
  scoringMs: Number(values['scoring-ms']),
  ...(atOnce !== undefined && { scoringAtOnce: Number(atOnce) }),
});
process.once('SIGTERM', () => {
  stub.stop();
});
announceAddress(stub.url);
