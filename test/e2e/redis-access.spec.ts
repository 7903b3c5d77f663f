import { Redis } from 'ioredis';
import tls from 'node:tls';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { RedisConnections } from '../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../src/memory/adapters/redis/redis-memory-store.js';
import { indexMemory, indexWords } from '../../src/memory/remember/indexed-memory.js';
import { queryTerms } from '../../src/memory/search/lexical-text.js';
import type { Memory } from '../../src/memory/memory.js';
import { newId } from '../../src/shared/index.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { redisSettings } from '../support/redis-settings.js';
import { documentedUserRules } from '../support/redis-user.js';
import { makeTlsFiles, type TlsFiles } from '../support/tls-files.js';

const PASSWORD = 'p@ss:w/rd%';
const STREAM = 'session:input_stream';

const MEMORY: Memory = {
  id: newId(),
  text: 'I moved to Lisbon.',
  userId: 'eve',
  sessionId: null,
  role: 'user',
  createdAtMs: 1_790_000_000_000,
  perplexity: null,
  avgLogprob: null,
  informationNats: null,
  novelty: null,
  surprise: null,
  model: null,
  source: 'manual',
  metadata: {},
  context: '',
  isQuestion: false,
  isPinned: false,
  count: 1,
  lastSeenAtMs: 1_790_000_000_000,
  recallCount: 0,
  lastRecalledAtMs: null,
  validFromMs: 1_790_000_000_000,
  supersededBy: null,
  supersedes: [],
};

interface AclLogEntry {
  readonly reason: string;
  readonly object: string;
}

describe('A brain that enters Redis by TLS, as the restricted user of docs/operations.md', () => {
  let files: TlsFiles;
  let redis: RedisServer;
  let admin: Redis;
  let vorpal: FixedLatencyVorpal;
  let sut: TestBrain;

  // The first start on a machine may have to fetch the server.
  beforeAll(async () => {
    files = await makeTlsFiles();
    redis = await startRedis({ tls: files });
    admin = new Redis(redis.url, { protocol: 2, tls: { ca: files.authority } });
    const rules = documentedUserRules().map((rule) => rule.replace('PASSWORD', PASSWORD));
    await admin.call('ACL', 'SETUSER', 'brain', ...rules);
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    sut = await TestBrain.start({
      REDIS_URL: redis.url.replace('//', `//brain:${encodeURIComponent(PASSWORD)}@`),
      NODE_EXTRA_CA_CERTS: files.authorityFile,
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      STREAM_CLAIM_IDLE_MS: '500',
      SURPRISE_MODE: 'fixed',
    });
    await sut.ready();
  }, 180_000);

  afterAll(async () => {
    await sut.dispose();
    vorpal.stop();
    admin.disconnect();
    await redis.stop();
    await files.remove();
  });

  /** What the server refused. Of `ACL LOG`: pairs of a name and a value. */
  async function refusals(): Promise<AclLogEntry[]> {
    const log = (await admin.acl('LOG')) as string[][];
    return log.map((entry) => {
      const valueOf = (name: string): string => entry[entry.indexOf(name) + 1] ?? '';
      return { reason: valueOf('reason'), object: valueOf('object') };
    });
  }

  it('chats, remembers, forgets, keeps dead letters, is healthy, and is refused nothing', async () => {
    for (const message of ['The train leaves at nine.', 'My cat is called Ada.', 'The train leaves at nine.']) {
      const chat = { message, user_id: 'ada', session_id: 's' };
      expect((await sut.post('/chat', chat)).status).toBe(200);
      expect((await sut.post('/chat', chat)).body.memories).not.toBeNull();
    }
    await sut.workerUntil(({ lag, pending, processed }) => lag === 0 && pending === 0 && processed >= 6);
    const { body } = await sut.get<{ memories: { id: string }[] }>('/memories?user_id=ada');
    expect(body.memories.length).toBeGreaterThan(0);
    const found = await sut.post<{ memories: unknown[] }>('/memories/search', {
      user_id: 'ada',
      query: 'When does the train leave?',
    });
    expect(found.body.memories.length).toBeGreaterThan(0);
    expect((await sut.delete(`/memories/${body.memories[0]!.id}?user_id=ada`)).status).toBe(204);
    expect((await sut.get<{ decisions: unknown[] }>('/decisions?user_id=ada')).body.decisions).toHaveLength(6);

    await admin.xadd(STREAM, '*', 'written by', 'another program');
    await sut.workerUntil(({ dead_letters: dead }) => (dead ?? 0) >= 1);
    const letters = await sut.get<{ dead_letters: { id: string }[] }>('/dead-letters');
    expect((await sut.delete(`/dead-letters/${letters.body.dead_letters[0]!.id}`)).status).toBe(204);
    await admin.xadd(
      `${STREAM}:dead`,
      '*',
      ...[
        'id',
        '019a2b3c-4d5e-7f00-8000-000000000001',
        'message',
        'Once more.',
        'timestamp',
        '2026-09-21T14:13:20.000Z',
      ],
      ...['user_id', 'bob', 'session_id', 's', 'role', 'user', 'context', '', 'error', 'because'],
    );
    const [letter] = (await sut.get<{ dead_letters: { id: string }[] }>('/dead-letters')).body.dead_letters;
    expect((await sut.post(`/dead-letters/${letter!.id}/requeue`, {})).status).toBeLessThan(300);
    await sut.workerUntil(({ lag, pending, dead_letters: dead }) => lag === 0 && pending === 0 && dead === 0);

    expect((await sut.delete('/memories?user_id=ada')).status).toBe(200);
    await untilValue(
      () => sut.get('/health'),
      ({ status }) => status === 200,
    );
    expect(await refusals()).toEqual([]);
    expect(sut.program.output()).not.toMatch(/p@ss|p%40ss/);
  });

  it('embeds and indexes all memories anew, and finds them by vector and by words', async () => {
    const trusted = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...trusted, files.authority]);
    const address = redis.url.replace('//', `//brain:${encodeURIComponent(PASSWORD)}@`);
    const connections = new RedisConnections(redisSettings(address));
    try {
      await connections.open();
      const limits = { maxMemories: 10, maxBytes: 100_000, maxDecisions: 10 };
      const store = new RedisMemoryStore(connections, limits, { keyPrefix: 'memory:beside:' });
      await store.claimSpace({ model: 'old', dimensions: 2 });
      await store.put('eve', [
        indexMemory(MEMORY, new Float32Array([1, 0])),
        indexMemory({ ...MEMORY, id: newId(), text: 'My cat is called Ada.' }, new Float32Array([0, 1])),
      ]);
      await store.change('eve', MEMORY.id, { isPinned: true });
      await store.noteRecalled('eve', [MEMORY.id], 1);

      await store.reembedding.begin({ model: 'new', dimensions: 3 });
      const pending = await store.reembedding.pending(10);
      const vectorOf = (id: string): Float32Array => new Float32Array(id === MEMORY.id ? [1, 0, 0] : [0, 1, 0]);
      await store.reembedding.put(pending.map((item) => ({ ...item, vector: vectorOf(item.id) })));
      expect(await store.reembedding.progress()).toEqual({ total: 2, done: 2 });
      await store.reembedding.finish();

      expect(await store.reindexing.pending(10)).toEqual([]);
      await store.reindexing.put([indexWords(MEMORY)]);
      const query = { vector: new Float32Array([1, 0, 0]), terms: queryTerms('cat'), limit: 1 };
      const found = await store.candidates('eve', query);
      expect(found.map(({ memory }) => memory.text).sort()).toEqual(['I moved to Lisbon.', 'My cat is called Ada.']);
      expect(
        await store.replace(
          'eve',
          MEMORY.id,
          indexMemory({ ...MEMORY, id: newId(), text: 'I moved to Porto.' }, query.vector),
        ),
      ).toMatchObject({ status: 'new' });
      expect(await store.reinstate('eve', MEMORY.id)).toMatchObject({ supersededBy: null });
      expect(await store.list('eve', { limit: 1, after: { createdAtMs: 1, id: 'gone' } })).toEqual([]);
      expect(await store.usage('eve')).toMatchObject({ memories: 3, pinned: 1 });
      expect(await refusals()).toEqual([]);
    } finally {
      await connections.close();
      tls.setDefaultCACertificates(trusted);
    }
  });
});
