import { describeMemoryStore } from './memory-store.contract.js';
import { describeSqliteMemoryStore } from './memory-store.sqlite.js';
import { makeSqliteHarness } from './memory-store.sqlite-harness.js';

describeMemoryStore('SQLite', makeSqliteHarness);
describeSqliteMemoryStore();
