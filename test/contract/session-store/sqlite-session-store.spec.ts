import { describeSessionStore } from './session-store.contract.js';
import { describeSqliteSessionStore } from './session-store.sqlite.js';
import { makeSqliteHarness } from './session-store.sqlite-harness.js';

describeSessionStore('SQLite', makeSqliteHarness);
describeSqliteSessionStore();
