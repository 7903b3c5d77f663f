import { type ChatParts, startChatModule } from '../../../test/support/chat-module.js';
import { collect } from '../../../test/support/chat-events.js';
import { embeddings, sendJson } from '../../../test/support/stub-vorpal.js';
import { useStubVorpal } from '../../../test/support/use-stub-vorpal.js';
import { type ImportLine, ImportService } from './import.service.js';
import { LineDefaults, readImportedMemory } from './imported-memory.js';
import { toMemoryBody } from '../api/memory-bodies.js';
import type { Memory } from '../memory.js';

const EMBEDDINGS = '/v1/embeddings';

describe(ImportService.name, () => {
  const stub = useStubVorpal();
  let parts: ChatParts;
  let sut: ImportService;

  beforeEach(async () => {
    parts = await startChatModule(stub().url);
    sut = parts.importing;
  });

  afterEach(() => parts.close());

  const memoriesOf = (userId: string): Promise<Memory[]> => collect(parts.memories.export(userId));
  const texts = async (userId = 'ada') => (await memoriesOf(userId)).map(({ text }) => text);
  const facts = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ id: `fact-${index}`, text: `Fact ${index}.` }));

  async function* linesOf(values: readonly object[], userId: string): AsyncGenerator<ImportLine, void> {
    const defaults = new LineDefaults();
    for (const [index, value] of values.entries()) {
      yield { line: index + 1, ...readImportedMemory(value, userId, defaults) };
    }
  }
  const importInto = (userId: string, values: readonly object[]) => sut.import(userId, linesOf(values, userId));

  it('may be repeated as often as one likes: what has an id is known the next time', async () => {
    const lines = facts(150);
    expect(await importInto('ada', lines)).toEqual({
      imported: 150,
      known: 0,
      duplicate: 0,
      failed: 0,
      lines: [{ from: 1, to: 150, status: 'imported' }],
      linesOmitted: 0,
    });
    expect(await importInto('ada', lines)).toMatchObject({
      imported: 0,
      known: 150,
      lines: [{ from: 1, to: 150, status: 'known' }],
    });
    expect(await texts()).toHaveLength(150);
  });

  describe('what changed', () => {
    const at = (day: number): string => new Date(Date.UTC(2026, 4, day)).toISOString();
    const bus = (id: string, time: string, day: number, more: object = {}) => ({
      ...{ id, text: `The night bus to Riga leaves at ${time}.`, created_at: at(day), ...more },
    });
    const [ONE, TWO, THREE] = [bus('one', '20:10', 1), bus('two', '21:20', 2), bus('three', '22:30', 3)];
    const linksOf = async () =>
      Object.fromEntries(
        (await memoriesOf('ada'))
          .filter(({ text }) => text.includes('bus'))
          .map(({ id, supersededBy }) => [id, supersededBy?.id ?? null]),
      );
    const CHAIN = { one: 'two', two: 'three', three: null };
    const others = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ text: 'x'.repeat(index + 1), created_at: at(20) }));

    it.each([
      ['oldest first', [ONE, TWO, THREE]],
      ['newest first', [THREE, TWO, ONE]],
      ['newest first, on several pages', [THREE, ...others(64), TWO, ...others(64), ONE]],
    ])('is marked by when it was said: %s', async (_, lines) => {
      await importInto('ada', lines);
      expect(await linksOf()).toEqual(CHAIN);
    });

    it('never gives way to an older line', async () => {
      await importInto('ada', [THREE]);
      await importInto('ada', [TWO]);
      expect(await linksOf()).toEqual({ two: 'three', three: null });
    });

    it('goes by when a line holds from, where that is not when it was created', async () => {
      await importInto('ada', [ONE, { ...TWO, valid_from: at(1) }, { ...THREE, created_at: at(1), valid_from: at(3) }]);
      expect(await linksOf()).toEqual(CHAIN);
    });

    it('is what lines say of one another, where they say so', async () => {
      const told = [ONE, TWO, THREE].map((line) => ({ ...line, superseded_by: null, supersedes: [] }));
      await importInto('ada', told.slice(0, 2));
      await importInto('ada', told);
      expect(await linksOf()).toEqual({ one: null, two: null, three: null });
    });

    it('is found against what the user had before, whatever lines say of one another', async () => {
      await importInto('ada', [ONE]);
      await importInto('ada', [{ ...TWO, superseded_by: null }]);
      expect(await linksOf()).toEqual({ one: 'two', two: null });
    });
  });

  it('goes on where it broke off: what was kept is known the next time', async () => {
    const lines = facts(105);
    stub().next(EMBEDDINGS, ({ body }, response) => {
      sendJson(response, embeddings(body.input));
    });
    stub().next(EMBEDDINGS, (_, response) => {
      sendJson(response, '', 503);
    });
    await expect(importInto('ada', lines)).rejects.toMatchObject({ code: 'VORPAL_UNAVAILABLE' });
    expect(await importInto('ada', lines)).toMatchObject({ imported: 41, known: 64, failed: 0 });
    expect(await texts()).toHaveLength(105);
  });

  it('reports what is no memory by its line, and imports the rest', async () => {
    const lines: object[] = facts(105);
    lines[101] = { text: 7 };
    expect(await importInto('ada', lines)).toEqual({
      imported: 104,
      known: 0,
      duplicate: 0,
      failed: 1,
      lines: [
        { from: 1, to: 101, status: 'imported' },
        { from: 102, to: 102, status: 'failed', problem: 'text: must be a string' },
        { from: 103, to: 105, status: 'imported' },
      ],
      linesOmitted: 0,
    });
    expect(await importInto('ada', facts(105))).toMatchObject({
      imported: 1,
      known: 104,
      lines: [{ to: 101 }, { from: 102, to: 102, status: 'imported' }, { from: 103 }],
    });
  });

  it('reports a text that cannot be embedded, and imports the rest', async () => {
    stub().on(EMBEDDINGS, ({ body }, response) => {
      if (body.input.some((text) => text.includes('poison'))) {
        sendJson(response, { error: { message: 'no', type: 'BadRequestError', code: 400 } }, 400);
      } else sendJson(response, embeddings(body.input));
    });
    const result = await importInto('ada', [{ text: 'One.' }, { text: 'poison' }, { text: 'Two.' }]);
    expect(result).toMatchObject({ imported: 2, failed: 1 });
    expect(result.lines[1]).toEqual({
      from: 2,
      to: 2,
      status: 'failed',
      problem: expect.stringContaining('refuses'),
    });
    expect((await texts()).toSorted()).toEqual(['One.', 'Two.']);
  });

  it('counts a text that the user has, by the count of the line, and names the memory that stands for it', async () => {
    const said = { text: 'I collect stamps from Iceland.' };
    const { lines, ...counts } = await importInto('ada', [
      { ...said, id: 'first' },
      said,
      { text: ' i collect  STAMPS from Iceland.', count: 3 },
      { ...said, role: 'assistant' },
    ]);
    expect(counts).toEqual({ imported: 2, known: 0, duplicate: 2, failed: 0, linesOmitted: 0 });
    expect(lines).toEqual([
      { from: 1, to: 1, status: 'imported' },
      { from: 2, to: 3, status: 'duplicate', id: 'first' },
      { from: 4, to: 4, status: 'imported' },
    ]);
    expect(await parts.memories.get('ada', 'first')).toMatchObject({ ...said, count: 5 });
  });

  it('knows lines without ids when they come again, by their text and time', async () => {
    const lines = [
      { text: 'I collect stamps.', created_at: '2026-03-01T00:00:00Z' },
      { text: 'I collect stamps.', created_at: '2026-01-01T00:00:00Z' },
      { text: 'I COLLECT stamps.', created_at: '2026-02-01T00:00:00Z', count: 2 },
      { text: 'I live in Ghent.' },
      { text: 'I live in Ghent.' },
    ];
    const counted = async () => (await memoriesOf('ada')).map(({ text, count }) => [text, count]).toSorted();
    const once = [
      ['I collect stamps.', 4],
      ['I live in Ghent.', 2],
    ];
    expect(await importInto('ada', lines)).toMatchObject({ imported: 2, known: 0, duplicate: 3 });
    expect(await counted()).toEqual(once);

    for (const again of [lines, lines.toReversed()]) {
      expect(await importInto('ada', again)).toMatchObject({ imported: 0, known: 5, duplicate: 0 });
    }

    expect(await counted()).toEqual(once);
    expect(await importInto('bob', lines)).toMatchObject({ imported: 2, known: 0, duplicate: 3 });
  });

  it('counts a line once for a memory that the user has from elsewhere, and what a person adds each time', async () => {
    const said = { text: 'I collect stamps from Iceland.' };
    for (let time = 0; time < 2; time++) await parts.memories.add('ada', [said]);
    const lines = [said, { ...said, id: 'theirs' }];

    expect(await importInto('ada', lines)).toMatchObject({ duplicate: 2 });
    expect(await importInto('ada', lines)).toMatchObject({ known: 2 });

    expect(await memoriesOf('ada')).toMatchObject([{ ...said, count: 4 }]);
  });

  it('lists what it took by the time it was said, and undated lines as said now', async () => {
    await importInto('ada', [
      ...['first undated', 'second undated', 'third undated', 'undated'].map((text) => ({ text })),
      { text: 'new', created_at: '2026-02-01T00:00:00Z' },
      { text: 'old', created_at: '2025-02-01T00:00:00Z' },
    ]);
    expect(await texts()).toEqual(['undated', 'third undated', 'second undated', 'first undated', 'new', 'old']);
  });

  it.each([
    ['a ULID', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
    ['a UUIDv4 in capitals', 'F47AC10B-58CC-4372-A567-0E02B2C3D479'],
    ['a path', 'notes/2026?#%2F'],
    ['200 characters', 'x'.repeat(200)],
    ['any script', 'заметка № 1 — メモ 😀'],
  ])('keeps an id of another system as it is: %s', async (_, id) => {
    expect(await importInto('ada', [{ id, text: 'Kept.' }])).toMatchObject({ imported: 1 });
    expect(await parts.memories.get('ada', id)).toMatchObject({ id, text: 'Kept.' });
    await expect(parts.memories.get('ada', id.toLowerCase() + 'x')).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' });
    expect(await importInto('ada', [{ id, text: 'Another text.' }])).toMatchObject({ known: 1 });
    await parts.memories.delete('ada', id);
    expect(await texts()).toEqual([]);
  });

  it('tells ids apart by their case', async () => {
    await importInto('ada', [
      { id: 'note-a', text: 'One.' },
      { id: 'note-A', text: 'Two.' },
    ]);
    expect(await parts.memories.get('ada', 'note-A')).toMatchObject({ text: 'Two.' });
    expect(await parts.memories.get('ada', 'note-a')).toMatchObject({ text: 'One.' });
  });

  it.each([
    ['an empty id', { id: '' }],
    ['an id with 201 characters', { id: 'x'.repeat(201) }],
    ['an id with a control character', { id: 'a\u0007b' }],
    ['an id that an address cannot name', { id: '..' }],
    ['a number as an id', { id: 7 }],
    ['a memory that supersedes itself', { id: 'a', superseded_by: 'a', superseded_at: '2026-01-01T00:00:00Z' }],
    ['a supersession at no time', { id: 'a', superseded_by: 'b' }],
    ['a count of nothing', { count: 0 }],
  ])('refuses %s', async (_, line) => {
    expect(await importInto('ada', [{ text: 'Kept.', ...line }])).toMatchObject({ imported: 0, failed: 1 });
    expect(await texts()).toEqual([]);
  });

  it('takes an export elsewhere for the same memories, with links, pins and counts', async () => {
    const changed = { superseded_at: '2026-03-01T00:00:00Z', supersession_reason: 'changed', supersession_score: 0.97 };
    await importInto('ada', [
      { id: 'new', text: 'I live in Munich.', created_at: '2026-03-01T00:00:00Z', supersedes: ['old'] },
      { id: 'old', text: 'I live in Berlin.', created_at: '2025-03-01T00:00:00Z', superseded_by: 'new', ...changed },
      { id: 'pin', text: 'Call me Bo.', pinned: true, count: 3, recall_count: 2, information_nats: 7, context: 'Hm?' },
    ]);
    const exported = await memoriesOf('ada');
    expect(exported).toMatchObject([{ id: 'pin' }, { id: 'new' }, { id: 'old', supersededBy: { id: 'new' } }]);
    expect(await importInto('bob', exported.map(toMemoryBody))).toMatchObject({ imported: 3 });
    expect(await memoriesOf('bob')).toEqual(exported.map((memory) => ({ ...memory, userId: 'bob' })));
  });

  it('links to the memory that stands for a line, where the user has its text under another id', async () => {
    await importInto('ada', [{ id: 'mine', text: 'I live in Munich.' }]);
    const superseded_at = '2026-03-01T00:00:00Z';
    await importInto('ada', [
      { id: 'theirs', text: 'I live in MUNICH.', supersedes: ['old'] },
      { id: 'old', text: 'I live in Berlin.', superseded_by: 'theirs', superseded_at },
    ]);
    expect(await parts.memories.get('ada', 'old')).toMatchObject({ supersededBy: { id: 'mine' } });
  });

  it('pins no more than half of the room, and keeps the rest without', async () => {
    await parts.close();
    parts = await startChatModule(stub().url, { MEMORY_MAX_MEMORIES: '10' });
    sut = parts.importing;
    expect(
      await importInto(
        'ada',
        facts(8).map((fact) => ({ ...fact, pinned: true })),
      ),
    ).toMatchObject({ imported: 8 });
    expect((await memoriesOf('ada')).filter(({ isPinned }) => isPinned)).toHaveLength(5);
  });

  it('gives one user’s memories to another, and does nothing twice', async () => {
    const line = { ...facts(1)[0]!, user_id: 'ada' };
    expect(await importInto('bob', [line, line])).toMatchObject({ imported: 1, known: 1 });
    expect(await parts.memories.get('bob', line.id)).toMatchObject({ text: line.text, userId: 'bob', count: 1 });
    expect(await texts()).toEqual([]);
  });

  it('fails with its source, and keeps whole pages of what came before', async () => {
    async function* broken(): AsyncGenerator<ImportLine, void> {
      yield* linesOf(facts(70), 'ada');
      throw new Error('the client is gone');
    }
    await expect(sut.import('ada', broken())).rejects.toThrow('the client is gone');
    expect(await texts()).toHaveLength(64);
    expect(await importInto('ada', facts(70))).toMatchObject({ imported: 6, known: 64 });
  });

  it('ends when its client goes away', async () => {
    const client = new AbortController();
    stub().next(EMBEDDINGS, () => {
      client.abort();
    });
    const importing = sut.import('ada', linesOf(facts(3), 'ada'), { signal: client.signal });
    await expect(importing).rejects.toThrow(/abort/i);
    expect(await texts()).toEqual([]);
  });
});
