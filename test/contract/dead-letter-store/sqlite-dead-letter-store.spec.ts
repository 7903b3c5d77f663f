import { makeSqliteHarness } from '../input-stream/input-stream.sqlite-harness.js';
import { describeDeadLetterStore } from './dead-letter-store.contract.js';

describeDeadLetterStore('SQLite', makeSqliteHarness);
