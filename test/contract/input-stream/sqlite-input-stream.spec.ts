import { describeInputStream } from './input-stream.contract.js';
import { describeSqliteInputStream } from './input-stream.sqlite.js';
import { makeSqliteHarness } from './input-stream.sqlite-harness.js';

describeInputStream('SQLite', makeSqliteHarness);
describeSqliteInputStream();
