import { type ChatParts, startChatModule } from '../../../test/support/chat-module.js';
import { collect } from '../../../test/support/chat-events.js';
import { sendJson } from '../../../test/support/stub-vorpal.js';
import { until } from '../../../test/support/until.js';
import { useStubVorpal } from '../../../test/support/use-stub-vorpal.js';
import { newId } from '../../shared/index.js';
import { queryTerms } from '../search/lexical-text.js';
import type { Memory } from '../memory.js';
import { MemoryNotFoundError } from '../memory.errors.js';
import { MemoryService } from './memory.service.js';

const EMBEDDINGS = '/v1/embeddings';

describe(MemoryService.name, () => {
  const stub = useStubVorpal();
  let parts: ChatParts;
  let sut: MemoryService;

  beforeEach(async () => {
    parts = await startChatModule(stub().url);
    sut = parts.memories;
  });

  afterEach(() => parts.close());

  const texts = async (userId = 'ada') => (await collect(sut.export(userId))).map(({ text }) => text);
  const facts = (count: number) => Array.from({ length: count }, (_, index) => ({ text: `Fact ${index}.` }));

  const dense = { mode: 'dense', limit: 5 } as const;
  const lexical = { mode: 'lexical', limit: 5 } as const;
  const keep = async (text: string, more: object = {}): Promise<Memory> => {
    const [kept] = await sut.add('ada', [{ text, ...more }]);
    return kept!.memory;
  };
  const restart = async (environment: NodeJS.ProcessEnv): Promise<void> => {
    await parts.close();
    parts = await startChatModule(stub().url, environment);
    sut = parts.memories;
  };

  it('keeps what it is given, as nobody judged it, and gives it back', async () => {
    const draft = { text: 'My dog is called Bruno.', sessionId: 's', createdAtMs: 1_000, metadata: { from: 'a form' } };
    const [kept] = await sut.add('ada', [draft]);
    const { memory, isKept } = kept!;
    expect(isKept).toBe(true);
    expect(memory).toMatchObject({ ...draft, userId: 'ada', role: 'user', source: 'manual', surprise: null, count: 1 });
    expect(await sut.get('ada', memory.id)).toEqual(memory);
  });

  it('keeps none of several where one cannot be embedded', async () => {
    stub().on(EMBEDDINGS, (_, response) => {
      sendJson(response, '', 503);
    });
    await expect(sut.add('ada', facts(3))).rejects.toMatchObject({ code: 'VORPAL_UNAVAILABLE' });
    expect(await texts()).toEqual([]);
  });

  it('finds the most similar first', async () => {
    await sut.add('ada', [{ text: 'a' }, { text: 'a'.repeat(10) }]);
    const found = await sut.search('ada', 'b'.repeat(12), dense);
    expect(found.map(({ memory }) => memory.text)).toEqual(['a'.repeat(10), 'a']);
    expect(await sut.search('bob', 'a', dense)).toEqual([]);
  });

  describe('what changes an earlier memory', () => {
    const [EARLY, LATE] = ['The night bus to Riga leaves at 22:15.', 'The night bus to Riga leaves at 23:40.'];
    const statesOf = async () =>
      (await collect(sut.export('ada'))).map(({ text, supersededBy }) => [text, supersededBy?.reason ?? null]);

    it('supersedes it, as what is said in a chat does', async () => {
      const before = await keep(EARLY);
      const after = await keep(LATE);
      expect(after).toMatchObject({ supersedes: [before.id], supersededBy: null });
      expect(await sut.get('ada', before.id)).toMatchObject({
        supersededBy: { id: after.id, atMs: after.createdAtMs, reason: 'changed', score: expect.any(Number) },
      });
    });

    it('does so within a batch, in the order of when it was said', async () => {
      const kept = await sut.add('ada', [
        { text: LATE, createdAtMs: 2_000 },
        { text: 'The night bus to Riga leaves at 21:05.', createdAtMs: 3_000 },
        { text: EARLY, createdAtMs: 1_000 },
      ]);
      const [second, third, first] = kept.map(({ memory }) => memory);
      expect([first, second, third].map((one) => [one?.text, one?.supersededBy?.id])).toEqual([
        [EARLY, second?.id],
        [LATE, third?.id],
        [third?.text, undefined],
      ]);
    });

    it('is superseded itself where it was said before what is there', async () => {
      const after = await keep(LATE, { createdAtMs: 2_000 });
      const before = await keep(EARLY, { createdAtMs: 1_000 });
      expect(before).toMatchObject({ supersedes: [], supersededBy: { id: after.id, atMs: 2_000, reason: 'changed' } });
    });

    it.each([
      ['a question', { text: 'Does the night bus to Riga leave at 23:40?' }],
      ['what the assistant said', { text: LATE, role: 'assistant' } as const],
      ['something else', { text: 'I have a goat called Trudi.' }],
    ])('is not %s', async (_, draft) => {
      await keep(EARLY);
      await sut.add('ada', [draft]);
      expect((await statesOf()).map(([, reason]) => reason)).toEqual([null, null]);
    });

    it('is no text that is there already: it is counted', async () => {
      await keep(EARLY, { createdAtMs: 1_000 });
      const [, again] = await sut.add('ada', [
        { text: LATE, createdAtMs: 2_000 },
        { text: EARLY.toUpperCase(), createdAtMs: 1_500 },
      ]);
      expect(again?.memory).toMatchObject({ text: EARLY, count: 2, supersededBy: { reason: 'changed' } });
    });
  });

  it('counts a text that is there, whoever sends it, and shows the memory as it is then', async () => {
    const first = await keep('I collect stamps from Iceland.');
    const kept = await sut.add('ada', [
      { text: 'i collect STAMPS  from Iceland.' },
      { text: 'I collect stamps from Iceland.' },
    ]);
    const now = { ...first, count: 3, lastSeenAtMs: kept[0]!.memory.lastSeenAtMs };
    expect(kept).toEqual([
      { memory: now, isKept: true },
      { memory: now, isKept: true },
    ]);
    expect(await texts()).toEqual([first.text]);
    await sut.add('bob', [{ text: first.text }]);
    expect(await sut.get('ada', first.id)).toEqual(now);
  });

  it('says of a memory that there is no room for that it was not kept', async () => {
    await restart({ MEMORY_MAX_MEMORIES: '10' });
    await sut.add(
      'ada',
      Array.from({ length: 10 }, (_, index) => ({ text: `A long fact, number ${index}.` })),
    );
    const [kept] = await sut.add('ada', [{ text: 'Hm.' }]);
    expect(kept).toMatchObject({ memory: { text: 'Hm.' }, isKept: false });
    expect(await texts()).not.toContain('Hm.');
  });

  it('finds by words while the embedder fails, and reports the failure if vectors are needed', async () => {
    const memory = await keep('The spare key is with Mrs. Lindqvist.');
    await keep('The train to Brno goes at 08:12.');
    stub().on(EMBEDDINGS, (_, response) => {
      sendJson(response, '', 503);
    });
    const found = await sut.search('ada', 'Who has my keys?', lexical);
    expect(found).toMatchObject([{ memory: { id: memory.id }, cosine: null, matchedTerms: queryTerms('keys') }]);
    for (const mode of ['hybrid', 'dense'] as const) {
      await expect(sut.search('ada', 'Who has my keys?', { mode, limit: 5 })).rejects.toMatchObject({
        code: 'VORPAL_UNAVAILABLE',
      });
    }
  });

  it('finds at most what it is asked for', async () => {
    await sut.add('ada', facts(70));
    expect(await sut.search('ada', 'fact', { mode: 'lexical', limit: 60 })).toHaveLength(60);
  });

  it('searches as the memories were at a time', async () => {
    const old = await keep('The gate is B12.', { createdAtMs: 1_000 });
    const before = Date.now();
    await sut.edit('ada', old.id, { text: 'The gate is C4.' });
    const at = async (asOfMs?: number) => {
      const filter = asOfMs === undefined ? {} : { asOfMs };
      const found = await sut.search('ada', 'gate', { ...lexical, filter });
      return found.map(({ memory }) => [memory.text, memory.supersededBy?.reason ?? null]);
    };
    expect(await at()).toEqual([
      ['The gate is C4.', null],
      ['The gate is B12.', 'edited'],
    ]);
    expect(await at(before - 1)).toEqual([['The gate is B12.', null]]);
    expect(await at(999)).toEqual([]);
  });

  describe('edit', () => {
    it('makes a new memory of a new text, and keeps the old one as superseded', async () => {
      const old = await keep('The gate is B12.', { sessionId: 's', role: 'assistant', metadata: { n: 1 } });
      const { memory, isKept } = await sut.edit('ada', old.id, { text: 'The gate is C4.' });
      expect(isKept).toBe(true);
      expect(memory).toMatchObject({
        text: 'The gate is C4.',
        sessionId: 's',
        role: 'assistant',
        metadata: { n: 1 },
        source: 'manual',
        supersedes: [old.id],
        supersededBy: null,
      });
      expect(memory.id).not.toBe(old.id);
      expect(await sut.get('ada', old.id)).toEqual({
        ...old,
        supersededBy: { id: memory.id, atMs: expect.any(Number), reason: 'edited', score: null },
      });
    });

    it('changes metadata and pin in place', async () => {
      const memory = await keep('The gate is B12.', { metadata: { n: 1, m: 2 } });
      expect((await sut.edit('ada', memory.id, { metadata: { n: 2 } })).memory).toEqual({
        ...memory,
        metadata: { n: 2 },
      });
      expect((await sut.edit('ada', memory.id, { isPinned: true })).memory).toMatchObject({
        metadata: { n: 2 },
        isPinned: true,
      });
      expect(await texts()).toHaveLength(1);
    });

    it('makes nothing new of the same text in another case', async () => {
      const memory = await keep('The gate is B12.');
      const { memory: after } = await sut.edit('ada', memory.id, { text: 'the GATE  is b12.', isPinned: true });
      expect(after).toEqual({ ...memory, isPinned: true });
    });

    it('has a text that is there already supersede, with what else was changed', async () => {
      const old = await keep('The gate is B12.');
      const other = await keep('The gate is C4.');
      const { memory } = await sut.edit('ada', old.id, { text: 'The gate is C4.', metadata: { n: 1 } });
      expect(memory).toMatchObject({ id: other.id, metadata: { n: 1 }, supersedes: [old.id] });
      expect(await texts()).toHaveLength(2);
    });

    it('takes the pin over to what holds now', async () => {
      const old = await keep('The gate is B12.');
      await sut.edit('ada', old.id, { isPinned: true });
      const { memory } = await sut.edit('ada', old.id, { text: 'The gate is C4.' });
      expect(memory.isPinned).toBe(true);
      expect(await sut.usage('ada')).toMatchObject({ memories: 2, pinned: 1 });
    });

    it('pins no more than half of the room, in number and in bytes', async () => {
      await restart({ MEMORY_MAX_MEMORIES: '10', MEMORY_MAX_BYTES: '65536' });
      const kept = await sut.add('ada', facts(8));
      for (const { memory } of kept.slice(0, 5)) await sut.edit('ada', memory.id, { isPinned: true });
      const tooMany = { code: 'TOO_MANY_PINS', httpStatus: 409 };
      const [, , , , pinned, next] = kept.map(({ memory }) => memory.id);
      await expect(sut.edit('ada', next!, { isPinned: true })).rejects.toMatchObject(tooMany);
      expect(await sut.get('ada', next!)).toMatchObject({ isPinned: false });
      await expect(sut.edit('ada', pinned!, { text: 'x'.repeat(32_768) })).rejects.toMatchObject(tooMany);
      await sut.edit('ada', pinned!, { isPinned: false });
      await sut.edit('ada', next!, { isPinned: true });
      expect(await sut.usage('ada')).toMatchObject({ pinned: 5 });
    });

    it('is undone, and both stand as if nothing had been', async () => {
      const old = await keep('The gate is B12.');
      const { memory } = await sut.edit('ada', old.id, { text: 'The gate is C4.' });
      expect(await sut.reinstate('ada', old.id)).toEqual(old);
      expect(await sut.get('ada', memory.id)).toEqual({ ...memory, supersedes: [] });
      expect(await sut.reinstate('ada', old.id)).toEqual(old);
    });
  });

  it('shows, changes and deletes nothing of another user', async () => {
    const memory = await keep('Mine.');
    for (const [userId, id] of [
      ['bob', memory.id],
      ['ada', newId()],
    ] as const) {
      await expect(sut.get(userId, id)).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.edit(userId, id, { text: 'Not yours.' })).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.edit(userId, id, { isPinned: true })).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.reinstate(userId, id)).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.delete(userId, id)).rejects.toThrow(MemoryNotFoundError);
    }
    expect(await sut.search('bob', 'mine', lexical)).toEqual([]);
    expect(await sut.get('ada', memory.id)).toEqual(memory);
    await sut.delete('ada', memory.id);
    expect(await texts()).toEqual([]);
  });

  it('lists by when it was said, whenever it came', async () => {
    const years = [2024, 2015, 2020];
    await sut.add(
      'ada',
      years.map((year) => ({ text: `Said in ${year}.`, createdAtMs: Date.UTC(year, 4) })),
    );
    expect(await texts()).toEqual(['Said in 2024.', 'Said in 2020.', 'Said in 2015.']);
  });

  it('exports everything, newest first, page after page', async () => {
    await sut.add('ada', facts(150));
    expect(await texts()).toEqual(
      facts(150)
        .map(({ text }) => text)
        .toReversed(),
    );
  });

  describe('forget', () => {
    it('takes memories, sessions and what waits in the stream, of one user, any number of times', async () => {
      for (const userId of ['ada', 'bob']) {
        await sut.add(userId, facts(2));
        const request = {
          user_id: userId,
          message: 'Hello',
          session_id: 's',
          memory: true,
          stream: false,
          timezone: undefined,
        };
        await parts.chat.answer(request, undefined, new AbortController().signal);
      }
      await until(() => parts.capture.captured >= 2, 'both messages are captured');
      expect(await parts.forgetting.forget('ada')).toEqual({ memories: 2, sessions: 1, entries: 1 });
      expect(await parts.forgetting.forget('ada')).toEqual({ memories: 0, sessions: 0, entries: 0 });
      expect(await texts()).toEqual([]);
      expect(await texts('bob')).toHaveLength(2);
      expect((await parts.sessions.begin('bob', 's')).turns).toHaveLength(2);
      expect(await parts.stream.statistics()).toMatchObject({ lag: 1 });
    });
  });
});
