import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { prepareJudgementStatements } from '../../memory/adapters/sqlite/sqlite-judgements.js';
import { indexMemory } from '../../memory/remember/indexed-memory.js';
import { newMemory } from '../../memory/remember/new-memory.js';
import type { IndexedMemory, Judgement } from '../../memory/store/memory-store.port.js';
import { prepareStatements as prepareMemoryStatements } from '../../memory/adapters/sqlite/sqlite-memory-statements.js';
import { SqliteMemoryStore } from '../../memory/adapters/sqlite/sqlite-memory-store.js';
import { newId } from '../../shared/index.js';
import { SqliteDeadLetterStore } from '../../stream/adapters/sqlite/sqlite-dead-letter-store.js';
import { SqliteInputStream } from '../../stream/adapters/sqlite/sqlite-input-stream.js';
import { prepareStatements as prepareStreamStatements } from '../../stream/adapters/sqlite/sqlite-stream-statements.js';
import { SqliteDatabase } from './index.js';
import { MIGRATIONS } from './migrations/index.js';

const STREAM_COUNTS = `
  SELECT (SELECT count(*) FROM stream_entries WHERE consumer IS NULL) AS lag,
    (SELECT count(*) FROM stream_entries WHERE consumer IS NOT NULL) AS pending,
    (SELECT count(*) FROM stream_dead_letters) AS dead`;
const MEMORY_COUNTS = `
  SELECT user_id, sum(m) AS memories, sum(b) AS bytes, sum(p) AS pinned, sum(p * b) AS pinned_bytes, sum(i) AS indexed,
    sum(t) AS terms, sum(d) AS decisions
  FROM (
    SELECT user_id, 1 AS m, bytes AS b, is_pinned AS p, term_count IS NOT NULL AS i, coalesce(term_count, 0) AS t, 0 AS d
    FROM memories
    UNION ALL SELECT user_id, 0, 0, 0, 0, 0, 1 FROM memory_decisions
  ) GROUP BY user_id ORDER BY user_id`;
/** The migration that brought the counters. */
const COUNTED_SINCE = MIGRATIONS.findIndex((step) => String(step).includes('CREATE TABLE stream_counts'));

const decisionOf = (id: string, decidedAtMs: number): Judgement['decision'] => ({
  id,
  userId: 'ada',
  sessionId: null,
  decidedAtMs,
  model: 'm',
  perplexity: 10,
  informationNats: 20,
  contextual: false,
  plainPerplexity: 10,
  novelty: 1,
  nearestId: null,
  surprise: 1,
  threshold: 0,
  mode: 'all',
  kept: true,
  duplicateOf: null,
  supersedes: null,
  supersessionScore: null,
  reason: 'Every message is kept.',
});

describe('what the embedded store counts', () => {
  let folder: string;
  let path: string;
  let database: SqliteDatabase | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'counts-'));
    path = join(folder, 'brain.sqlite');
  });

  afterEach(async () => {
    await database?.close();
    database = undefined;
    await rm(folder, { recursive: true });
  });

  const open = async (): Promise<SqliteDatabase> => (database = await SqliteDatabase.open(path));

  function expectTruth(of: SqliteDatabase): void {
    expect(of.prepare('SELECT lag, pending, dead FROM stream_counts').all()).toEqual(of.prepare(STREAM_COUNTS).all());
    const columns = 'user_id, memories, bytes, pinned, pinned_bytes, indexed, terms, decisions';
    expect(of.prepare(`SELECT ${columns} FROM memory_counts ORDER BY user_id`).all()).toEqual(
      of.prepare(MEMORY_COUNTS).all(),
    );
  }

  it('is right for a file that was written before it was counted', async () => {
    const old = new DatabaseSync(path);
    for (const step of MIGRATIONS.slice(0, COUNTED_SINCE)) old.exec(String(step));
    old.exec(`
      PRAGMA user_version = ${COUNTED_SINCE};
      INSERT INTO stream_entries (id, consumer) VALUES ('a', NULL), ('b', NULL), ('c', 'brain');
      INSERT INTO stream_dead_letters (id, error, deliveries, dead_lettered_at) VALUES ('d', 'e', 1, 'now');
      INSERT INTO memory_decisions (user_id, id, decided_at_ms, decision) VALUES ('ada', 'a', 1, '{}'), ('bob', 'b', 1, '{}');
      INSERT INTO memories (user_id, id, expires_at_ms, generation, text, role, created_at_ms, source, metadata, count, last_seen_at_ms)
      VALUES ('ada', 'a', NULL, 1, 'é', 'user', 1, 'worker', '{}', 1, 1), ('ada', 'b', 9, 1, '', 'user', 1, 'worker', '{}', 1, 1)`);
    old.close();

    const sut = await open();

    expectTruth(sut);
    expect(sut.prepare('SELECT lag, pending, dead FROM stream_counts').get()).toEqual({ lag: 2, pending: 1, dead: 1 });
    // What had expired in the shadow buffer, which there was then, is gone.
    expect(sut.prepare(`SELECT * FROM memory_counts WHERE user_id = 'ada'`).get()).toMatchObject({
      memories: 1,
      bytes: 4,
      pinned: 0,
      indexed: 0,
      decisions: 1,
    });
  });

  it('stays right through all that happens to an entry', async () => {
    const sut = await open();
    const stream = new SqliteInputStream(sut, { consumer: 'brain', claimIdleMs: 60_000 });
    const signal = new AbortController().signal;
    for (let i = 0; i < 12; i++) {
      const userId = i % 2 === 0 ? 'ada' : 'bob';
      const entry = {
        id: newId(),
        message: 'hello',
        timestampMs: 1,
        userId,
        sessionId: 's',
        role: 'user',
        context: '',
      };
      await stream.append(entry as Parameters<typeof stream.append>[0]);
      if (i === 0) await stream.append(entry as Parameters<typeof stream.append>[0]);
    }
    expectTruth(sut);
    const read = await stream.read({ count: 8, blockMs: 0, signal });
    expectTruth(sut);
    await stream.acknowledge(read.slice(0, 2));
    await stream.deadLetter(read[2]!, 'poison');
    await stream.deadLetter(read[3]!, 'poison');
    await stream.deadLetter(read[4]!, 'poison');
    expectTruth(sut);
    const deadLetters = new SqliteDeadLetterStore(sut);
    const [first, second] = await deadLetters.list({ limit: 2 });
    await deadLetters.requeue(first!.handle);
    await deadLetters.drop(second!.handle);
    expectTruth(sut);
    expect(await stream.statistics()).toEqual({ lag: 5, pending: 3, deadLetters: 1 });
    await stream.forget('ada');
    expectTruth(sut);
  });

  it('stays right through all that happens to a memory, and lets go of the name of a user who is forgotten', async () => {
    const sut = await open();
    const store = new SqliteMemoryStore(sut, { maxMemories: 3, maxBytes: 1_000, maxDecisions: 3 });
    await store.claimSpace({ model: 'small', dimensions: 3 });
    const kept = (text: string): IndexedMemory =>
      indexMemory(newMemory('ada', { id: text, text }), Float32Array.of(1, 0, 0));
    for (let i = 0; i < 6; i++) {
      const memory = kept(`entry ${i}`);
      await store.record({
        decision: decisionOf(memory.memory.id, i),
        effect: { kind: 'keep', memory, duplicateOf: null },
        statistics: [],
      });
      expectTruth(sut);
    }
    const counts = sut.prepare(`SELECT memories, decisions FROM memory_counts WHERE user_id = 'ada'`);
    expect(counts.get()).toEqual({ memories: 3, decisions: 3 });
    await store.change('ada', 'entry 5', { isPinned: true, metadata: { place: 'Łódź' } });
    expectTruth(sut);
    expect(await store.usage('ada')).toMatchObject({ memories: 3, pinned: 1 });
    await store.replace('ada', 'entry 5', kept('entry 7'));
    expectTruth(sut);
    await store.noteRecalled('ada', ['entry 5'], 1);
    await store.reindexing.put([kept('entry 5')]);
    expectTruth(sut);
    await store.delete('ada', 'entry 5');
    expectTruth(sut);
    await store.forget('ada', 'mark');
    expectTruth(sut);
    expect(counts.get()).toBeUndefined();
    expect(await store.usage('ada')).toEqual({ memories: 0, bytes: 0, pinned: 0, pinnedBytes: 0 });
  });

  it('is read, and kept within its limits, without going through what is there', async () => {
    const sut = await open();
    const memory = prepareMemoryStatements(sut);
    const stream = prepareStreamStatements(sut);
    const planOf = ({ sourceSQL }: { sourceSQL: string }): string =>
      sut
        .prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`)
        .all()
        .map(({ detail }) => String(detail))
        .join('; ');

    expect(planOf(stream.statistics)).toBe('SCAN stream_counts');
    const judgements = prepareJudgementStatements(sut);
    const bounded = [memory.counts, memory.leastRetained, memory.findText, judgements.size, judgements.removeOldest];
    for (const statement of [...bounded, stream.forgetIds, stream.trimDeadLetters, stream.takeUnread]) {
      // By an index or a key, and in its order: neither all rows nor a sort of them.
      expect(planOf(statement)).not.toMatch(
        /SCAN (?!stream_entries USING (COVERING )?INDEX stream_entries_unread)|TEMP B-TREE/,
      );
    }
    for (const { sourceSQL } of [memory, judgements, stream].flatMap((some): unknown[] => Object.values(some)) as {
      sourceSQL: string;
    }[]) {
      expect(sourceSQL).not.toMatch(/OFFSET/i);
    }
  });
});
