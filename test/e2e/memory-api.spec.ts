import { newId } from '../../src/shared/index.js';
import { TestBrain } from '../support/brain.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';

interface MemoryBody {
  id: string;
  text: string;
  user_id: string;
  pinned: boolean;
  count: number;
  superseded_by: string | null;
}
interface FoundBody extends MemoryBody {
  similarity: number | null;
  score: number;
  why: { cosine: number | null; bm25: number | null; matched_words: string[] };
}
interface MemoryList<T = MemoryBody> {
  memories: T[];
  next_cursor: string | null;
}

const LIMIT_MS = 600_000;
const NDJSON = { 'content-type': 'application/x-ndjson' };
const STAMPS = 'I collect stamps from Iceland.';

describe.each(['sqlite', 'redis'] as const)('the HTTP interface of memories on %s, with the real embedder', (kind) => {
  let redis: RedisServer | undefined;
  let sut: TestBrain;
  let users = 0;
  let user: string;

  beforeAll(async () => {
    redis = kind === 'redis' ? await startRedis() : undefined;
    const storage = redis
      ? { REDIS_URL: redis.url, STREAM_KEY: `${redis.keyPrefix}api`, REDIS_KEY_PREFIX: redis.keyPrefix }
      : {};
    sut = await TestBrain.start({ ...storage, MEMORY_MAX_MEMORIES: '100' });
    await sut.ready(LIMIT_MS);
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await redis?.stop();
  }, LIMIT_MS);

  beforeEach(() => {
    user = `ada {${++users}}`;
  });

  const query = (of = user): string => `user_id=${encodeURIComponent(of)}`;
  const pathOf = (id: string, of = user): string => `/memories/${encodeURIComponent(id)}?${query(of)}`;
  const add = async (text: string, more: object = {}) =>
    (await sut.post<MemoryBody>('/memories', { text, user_id: user, ...more })).body;
  const list = async (more = '', of = user) => (await sut.get<MemoryList>(`/memories?${query(of)}${more}`)).body;
  const search = async (text: string, more: object = {}) =>
    (await sut.post<MemoryList<FoundBody>>('/memories/search', { query: text, user_id: user, ...more })).body.memories;
  const importAll = (lines: readonly object[], of = user) =>
    importText(lines.map((line) => JSON.stringify(line)).join('\n'), of);
  const importText = (text: string, of = user) => sut.post(`/memories/import?${query(of)}`, text, NDJSON);
  const texts = (memories: readonly MemoryBody[]): string[] => memories.map(({ text }) => text);

  it('keeps a manual memory, and shows, lists, finds and deletes it', async () => {
    const memory = await add('My dog Bruno is allergic to chicken.', {
      session_id: 's',
      created_at: '2026-05-04T10:00:00Z',
      metadata: { from: 'a form' },
      context: 'What should I cook for him?',
    });
    expect(memory).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      text: 'My dog Bruno is allergic to chicken.',
      user_id: user,
      session_id: 's',
      role: 'user',
      created_at: '2026-05-04T10:00:00.000Z',
      context: 'What should I cook for him?',
      perplexity: null,
      avg_logprob: null,
      information_nats: null,
      novelty: null,
      surprise: null,
      model: null,
      source: 'manual',
      metadata: { from: 'a form' },
      is_question: false,
      pinned: false,
      count: 1,
      last_seen_at: '2026-05-04T10:00:00.000Z',
      recall_count: 0,
      last_recalled_at: null,
      valid_from: '2026-05-04T10:00:00.000Z',
      superseded_by: null,
      superseded_at: null,
      supersession_reason: null,
      supersession_score: null,
      supersedes: [],
    });
    const other = await add('The train to Bern leaves at nine.');
    expect((await sut.get(pathOf(memory.id))).body).toEqual(memory);
    expect((await list()).memories.map(({ id }) => id)).toEqual([other.id, memory.id]);

    const [first, second] = await search('What food is bad for my dog?');
    expect([first?.id, second?.id]).toEqual([memory.id, other.id]);
    expect(first!.similarity).toBeGreaterThan(second!.similarity!);
    expect(first).toEqual({
      ...memory,
      similarity: first!.why.cosine,
      score: expect.any(Number),
      why: { cosine: expect.any(Number), bm25: expect.any(Number), matched_words: ['dog'] },
    });

    expect((await sut.delete(pathOf(memory.id))).status).toBe(204);
    expect(await sut.get(pathOf(memory.id))).toMatchObject({ status: 404, body: { code: 'MEMORY_NOT_FOUND' } });
    expect((await sut.delete(pathOf(memory.id))).status).toBe(404);
    expect(await search('Bruno', { mode: 'lexical' })).toEqual([]);
    expect((await list()).memories.map(({ id }) => id)).toEqual([other.id]);
  });

  it('never shows or changes a memory of another user', async () => {
    const memory = await add('My secret is safe.');
    for (const path of [`/memories/${memory.id}`, pathOf(memory.id, 'mallory'), pathOf(newId()), pathOf('x')]) {
      expect((await sut.get(path)).status).toBe(404);
      expect((await sut.patch(path, { text: 'It is not.' })).status).toBe(404);
      expect((await sut.patch(path, { pinned: true })).status).toBe(404);
      expect((await sut.delete(path.replace('?', '/superseded_by?'))).status).toBe(404);
      expect((await sut.delete(path)).status).toBe(404);
    }
    for (const mode of ['hybrid', 'dense', 'lexical']) {
      const { body } = await sut.post('/memories/search', { query: memory.text, user_id: 'mallory', mode });
      expect(body).toEqual({ memories: [] });
    }
    expect((await list('', 'mallory')).memories).toEqual([]);
    expect((await sut.get(`/memories/usage?${query('mallory')}`)).body).toMatchObject({ memories: 0, bytes: 0 });
    expect((await list()).memories).toEqual([memory]);
  });

  it.each<[string, (copies: number) => Promise<unknown>]>([
    [
      'one after another',
      async (copies) => {
        for (let copy = 0; copy < copies; copy++) await add(STAMPS);
      },
    ],
    ['at once', (copies) => Promise.all(Array.from({ length: copies }, () => add(STAMPS)))],
    [
      'in a batch',
      (copies) => sut.post('/memories/batch', { user_id: user, memories: Array(copies).fill({ text: STAMPS }) }),
    ],
    ['in an import', (copies) => importAll(Array<object>(copies).fill({ text: STAMPS }))],
  ])('keeps copies of a text as one memory with their count, sent %s', async (_, send) => {
    await send(5);
    expect((await list()).memories).toMatchObject([{ text: STAMPS, count: 5 }]);
    expect(await search('stamps')).toHaveLength(1);
    // The answer shows the memory as it is then.
    expect(await add('i collect  stamps from ICELAND.')).toMatchObject({ text: STAMPS, count: 6 });
  });

  it('lists newest first by when it was said, in a batch and in an import, page after page', async () => {
    const years = [2024, 2015, 2020];
    const memories = years.map((year) => ({ text: `Batch of ${year}.`, created_at: `${year}-05-01T00:00:00Z` }));
    await sut.post('/memories/batch', { user_id: user, memories });
    await importAll(years.map((year) => ({ text: `Import of ${year}.`, created_at: `${year}-06-01T00:00:00+02:00` })));
    await add('Now.');
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: MemoryList = await list(`&limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...texts(page.memories));
      cursor = page.next_cursor;
    } while (cursor !== null);
    const [newest, oldest, middle] = years;
    expect(seen).toEqual([
      'Now.',
      ...[newest, middle, oldest].flatMap((year) => [`Import of ${year}.`, `Batch of ${year}.`]),
    ]);
  });

  it('takes a batch and pages through it without gaps', async () => {
    const memories = Array.from({ length: 45 }, (_, index) => ({ text: `Fact number ${index} of the long list.` }));
    const added = await sut.post<MemoryList>('/memories/batch', { user_id: user, memories });
    expect(added.status).toBe(201);
    const first = await list('&limit=20');
    const second = await list(`&limit=25&cursor=${first.next_cursor}`);
    expect(second.next_cursor).toBeNull();
    const seen = [...first.memories, ...second.memories].map(({ id }) => id);
    expect(seen).toEqual(added.body.memories.map(({ id }) => id).toReversed());
  });

  it.each([
    ['a ULID', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
    ['a UUIDv4 in capitals', 'F47AC10B-58CC-4372-A567-0E02B2C3D479'],
    ['a path', 'notes/2026 №7?#%2F'],
    ['200 characters', 'メ'.repeat(200)],
  ])('keeps the id of another system, and is asked by it: %s', async (_, id) => {
    expect((await importAll([{ id, text: 'Imported.' }])).body).toMatchObject({ imported: 1 });
    expect((await sut.get(pathOf(id))).body).toMatchObject({ id, text: 'Imported.' });
    expect((await sut.get(pathOf(`${id.slice(0, -1)}x`))).status).toBe(404);
    expect((await sut.patch(pathOf(id), { pinned: true })).body).toMatchObject({ id, pinned: true });
    expect(await search('imported')).toMatchObject([{ id }]);
    expect((await sut.delete(pathOf(id))).status).toBe(204);
    expect((await list()).memories).toEqual([]);
  });

  it('keeps both texts that changed, marks what an edit superseded, and takes that back', async () => {
    const old = await add('My flight to Lisbon leaves on 3 May at 10:15 from gate B12.', { metadata: { trip: 1 } });
    const between = new Date().toISOString();
    const edited = (
      await sut.patch<MemoryBody>(pathOf(old.id), {
        text: 'My flight to Lisbon leaves on 3 May at 16:45 from gate B12.',
      })
    ).body;
    expect(edited).toMatchObject({ metadata: { trip: 1 }, supersedes: [old.id], superseded_by: null });
    const question = 'When does my flight to Lisbon leave?';
    const [first, second] = await search(question);
    expect(first).toMatchObject({ id: edited.id });
    expect(second).toMatchObject({ id: old.id, superseded_by: edited.id, supersession_reason: 'edited' });
    expect(await search(question, { include_superseded: false })).toMatchObject([{ id: edited.id }]);
    expect(await search(question, { as_of: between })).toMatchObject([{ id: old.id, superseded_by: null }]);

    const path = pathOf(old.id).replace('?', '/superseded_by?');
    expect(await sut.delete(path)).toMatchObject({ status: 200, body: { id: old.id, superseded_by: null } });
    expect((await sut.get(pathOf(edited.id))).body).toMatchObject({ supersedes: [] });
    expect(await search(question, { include_superseded: false })).toHaveLength(2);
  });

  it('marks what a memory that is added or imported changes, and never by an older one', async () => {
    const flightAt = (time: string): string => `My flight to Lisbon leaves on 3 May at ${time} from gate B12.`;
    const early = await add(flightAt('10:15'));
    const late = await add(flightAt('16:45'));
    expect(late).toMatchObject({ supersedes: [early.id], superseded_by: null });
    const question = 'When does my flight to Lisbon leave?';
    expect(await search(question)).toMatchObject([
      { id: late.id },
      { id: early.id, superseded_by: late.id, supersession_reason: 'changed', supersession_score: expect.any(Number) },
    ]);

    const lines = [
      { id: 'newest', text: flightAt('19:05') },
      { id: 'oldest', text: flightAt('08:20'), created_at: '2020-01-01T00:00:00Z' },
    ];
    expect((await importAll(lines)).body).toMatchObject({ imported: 2 });
    const links = (await list()).memories.map((memory) => [memory.id, memory.superseded_by]);
    expect(links).toEqual([
      ['newest', null],
      [late.id, 'newest'],
      [early.id, late.id],
      ['oldest', early.id],
    ]);
    expect(await search(question, { include_superseded: false })).toMatchObject([{ id: 'newest' }]);
  });

  it('searches what the filters leave', async () => {
    const dog = { text: 'My dog eats salmon.', session_id: 'a', metadata: { topic: 'pets', n: 1, old: null } };
    await add(dog.text, { ...dog, created_at: '2026-01-01T00:00:00Z' });
    await add('The dog next door barks.', { session_id: 'b', role: 'assistant', created_at: '2026-02-01T00:00:00Z' });
    await importAll([{ text: 'A dog bit me.', source: 'worker', pinned: true, created_at: '2026-03-01T00:00:00Z' }]);
    await add('Where does my dog sleep?', { created_at: '2026-04-01T00:00:00Z' });
    for (const mode of ['hybrid', 'dense', 'lexical']) {
      const found = async (filter: object) => texts(await search('dog', { mode, ...filter })).toSorted();
      const statements = ['A dog bit me.', dog.text, 'The dog next door barks.'];
      expect(await found({})).toEqual(statements);
      expect(await found({ include_questions: true })).toEqual([...statements, 'Where does my dog sleep?']);
      expect(await found({ session_id: 'a' })).toEqual([dog.text]);
      expect(await found({ role: 'assistant' })).toEqual(['The dog next door barks.']);
      expect(await found({ source: 'worker' })).toEqual(['A dog bit me.']);
      expect(await found({ pinned: true })).toEqual(['A dog bit me.']);
      expect(await found({ created_after: '2026-02-01T00:00:00Z' })).toEqual(['A dog bit me.', statements[2]]);
      expect(await found({ created_before: '2026-02-01T00:00:00Z' })).toEqual([dog.text]);
      expect(await found({ metadata: { topic: 'pets', n: 1, old: null } })).toEqual([dog.text]);
      expect(await found({ metadata: { n: '1' } })).toEqual([]);
      expect(await found({ as_of: '2026-01-15T00:00:00Z' })).toEqual([dog.text]);
    }
    expect(texts((await list('&session_id=b')).memories)).toEqual(['The dog next door barks.']);
    expect(texts((await list('&role=assistant')).memories)).toEqual(['The dog next door barks.']);
    for (const filter of ['&source=worker', '&pinned=true', '&pinned=true&role=user']) {
      expect(texts((await list(filter)).memories)).toEqual(['A dog bit me.']);
    }
  });

  it('finds by its words what the embedder cannot read', async () => {
    const school = 'ልጄ ትምህርት ቤት ሄደች።';
    const rain = 'ዛሬ ዝናብ ይዘንባል።';
    await add(school);
    await add(rain);
    expect((await list()).memories).toHaveLength(2);
    expect((await search('ትምህርት'))[0]).toMatchObject({ text: school, why: { matched_words: ['ትምህርት'] } });
    expect((await search('ዝናብ'))[0]).toMatchObject({ text: rain });
  });

  it('finds a memory by a word in the middle of its length, and by its date and context', async () => {
    const long = `${'Nothing happened on that day. '.repeat(60)}Then Rosalind called. ${'The rest was quiet. '.repeat(60)}`;
    await add(long, { created_at: '2025-03-09T00:00:00Z', context: 'Tell me about Portsmouth.' });
    await add('Another day.');
    for (const [word, found] of [
      ['Rosalind', 'Rosalind'],
      ['March', 'March'],
    ] as const) {
      expect((await search(word))[0]).toMatchObject({ text: long, why: { matched_words: [found] } });
    }
  });

  it('pins what is not to be forgotten, half of the room at most', async () => {
    const memories = Array.from({ length: 60 }, (_, index) => ({ text: `Fact ${index}.` }));
    const { body } = await sut.post<MemoryList>('/memories/batch', { user_id: user, memories });
    const ids = body.memories.map(({ id }) => id);
    for (const id of ids.slice(0, 50)) expect((await sut.patch(pathOf(id), { pinned: true })).status).toBe(200);
    expect(await sut.patch(pathOf(ids[50]!), { pinned: true })).toMatchObject({
      status: 409,
      body: { code: 'TOO_MANY_PINS' },
    });
    const longer = Array.from({ length: 60 }, (_, index) => ({ text: `A fact that is worth more, number ${index}.` }));
    await sut.post('/memories/batch', { user_id: user, memories: longer });
    expect((await sut.get(`/memories/usage?${query()}`)).body).toEqual({
      memories: 100,
      bytes: expect.any(Number),
      pinned: 50,
      pinned_bytes: expect.any(Number),
      max_memories: 100,
      max_bytes: 67_108_864,
    });
    expect((await sut.get(pathOf(ids[0]!))).status).toBe(200);
    expect((await sut.get(pathOf(ids[59]!))).status).toBe(404);
    // Nothing is worth less.
    expect(await add('Hm.')).toMatchObject({ text: 'Hm.', kept: false });
  });

  it('takes an export in again, elsewhere, once, with all that is known of each', async () => {
    const { id } = await add('The first of two.', { metadata: { n: 1 }, context: 'Before it.' });
    await sut.patch(pathOf(id), { text: 'The first of three.' });
    await add('The second of two.\nOn two lines.');
    await sut.patch(pathOf((await add('Pinned.')).id), { pinned: true });
    await add('Pinned.');
    const exported = await sut.get<string>(`/memories/export?${query()}`);
    expect(exported.headers.get('content-type')).toContain('application/x-ndjson');
    const lines = exported.body.trim().split('\n');
    const { memories } = await list();
    expect(lines.map((line) => JSON.parse(line) as MemoryBody)).toEqual(memories);
    expect(memories.map(({ superseded_by: link }) => link)).toContain(
      memories.find((one) => one.text.includes('three'))!.id,
    );

    const heir = `${user}, the second`;
    expect((await importText(exported.body, heir)).body).toMatchObject({ imported: 4, known: 0, duplicate: 0 });
    expect((await importText(exported.body, heir)).body).toMatchObject({ imported: 0, known: 4, duplicate: 0 });
    expect((await list('', heir)).memories).toEqual(memories.map((memory) => ({ ...memory, user_id: heir })));
  });

  it('imports lines without ids, knows them the next time, and says what is wrong with which line', async () => {
    const facts = Array.from({ length: 70 }, (_, index) => JSON.stringify({ text: `Fact number ${index}.` }));
    expect(await importText(facts.with(66, '{"text": 7}').with(67, '{oops').join('\n'))).toMatchObject({
      status: 200,
      body: {
        imported: 68,
        known: 0,
        duplicate: 0,
        failed: 2,
        lines: [
          { from: 1, to: 66, status: 'imported' },
          { from: 67, to: 67, status: 'failed', problem: expect.stringMatching(/^text: /) },
          { from: 68, to: 68, status: 'failed', problem: 'it is not JSON' },
          { from: 69, to: 70, status: 'imported' },
        ],
        lines_omitted: 0,
      },
    });
    const again = await importText(facts.join('\n'));
    expect(again.body).toMatchObject({ imported: 2, known: 68, duplicate: 0, failed: 0 });
    const [oldest] = (await list('&limit=100')).memories.toReversed();
    expect(oldest).toMatchObject({ text: 'Fact number 0.', count: 1 });
    expect(again.body.lines).toContainEqual({ from: 1, to: 66, status: 'known' });
  });

  it.each<[string, string, unknown, number, string]>([
    ['a memory without text', '/memories', { user_id: 'u' }, 400, 'REQUEST_INVALID'],
    ['a blank memory', '/memories', { text: ' ' }, 400, 'REQUEST_INVALID'],
    ['an unknown field', '/memories', { text: 'a', vector: [1] }, 400, 'REQUEST_INVALID'],
    ['a memory that is too long', '/memories', { text: 'a'.repeat(32_769) }, 413, 'REQUEST_TEXT_TOO_LONG'],
    ['metadata that is no object', '/memories', { text: 'a', metadata: [] }, 400, 'REQUEST_INVALID'],
    [
      'metadata that is a file',
      '/memories',
      { text: 'a', metadata: { a: 'a'.repeat(20_000) } },
      400,
      'REQUEST_INVALID',
    ],
    ['an invalid date', '/memories', { text: 'a', created_at: 'yesterday' }, 400, 'REQUEST_INVALID'],
    ['an empty batch', '/memories/batch', { memories: [] }, 400, 'REQUEST_INVALID'],
    ['257 memories', '/memories/batch', { memories: Array(257).fill({ text: 'a' }) }, 400, 'REQUEST_INVALID'],
    ['a search for nothing', '/memories/search', { query: '' }, 400, 'REQUEST_INVALID'],
    ['a limit of 0', '/memories/search', { query: 'a', limit: 0 }, 400, 'REQUEST_INVALID'],
    ['a limit of 101', '/memories/search', { query: 'a', limit: 101 }, 400, 'REQUEST_INVALID'],
    ['a half limit', '/memories/search', { query: 'a', limit: 1.5 }, 400, 'REQUEST_INVALID'],
    ['another mode', '/memories/search', { query: 'a', mode: 'sparse' }, 400, 'REQUEST_INVALID'],
    ['a least similarity', '/memories/search', { query: 'a', min_similarity: 0.3 }, 400, 'REQUEST_INVALID'],
    ['the shadow buffer', '/memories/search', { query: 'a', include_shadow: true }, 400, 'REQUEST_INVALID'],
    ['metadata that is no value', '/memories/search', { query: 'a', metadata: { a: {} } }, 400, 'REQUEST_INVALID'],
    ['an import as JSON', '/memories/import', { text: 'a' }, 415, 'REQUEST_UNSUPPORTED_MEDIA_TYPE'],
    ['memory: maybe', '/chat', { message: 'a', memory: 'maybe' }, 400, 'REQUEST_INVALID'],
  ])('refuses %s', async (_, path, body, status, code) => {
    const answer = await sut.post(path, body);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each([
    '/memories?cursor=nonsense',
    `/memories?cursor=${newId()}`,
    '/memories?limit=0',
    '/memories?limit=many',
    '/memories?page=2',
    '/memories?role=robot',
    '/decisions?limit=100000',
  ])('refuses GET %s', async (path) => {
    expect(await sut.get(path)).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  });

  it.each<[string, unknown, number]>([
    ['nothing', {}, 400],
    ['another id', { id: 'x' }, 400],
    ['a blank text', { text: ' ' }, 400],
    ['a text that is too long', { text: 'a'.repeat(32_769) }, 413],
    ['a pin that is neither', { pinned: 'yes' }, 400],
  ])('refuses to change %s of a memory', async (_, body, status) => {
    expect(await sut.patch(pathOf('x'), body)).toMatchObject({ status });
  });

  it('forgets nobody without a name, and takes newline-delimited JSON for an import only', async () => {
    expect(await sut.delete('/memories')).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
    expect(await sut.post('/chat', '{"message": "a"}\n', NDJSON)).toMatchObject({ status: 415 });
  });
});
