import { type ChatParts, startChatModule } from '../../test/support/chat-module.js';
import { collect } from '../../test/support/chat-events.js';
import { embeddings, sendJson } from '../../test/support/stub-vorpal.js';
import { until } from '../../test/support/until.js';
import { useStubVorpal } from '../../test/support/use-stub-vorpal.js';
import { newId } from '../shared/index.js';
import { MemoryNotFoundError } from './memory.errors.js';
import { readImportedMemory } from './memory.schema.js';
import { type ImportLine, MemoryService } from './memory.service.js';

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

  async function* linesOf(values: readonly object[], userId: string): AsyncGenerator<ImportLine, void> {
    for (const [index, value] of values.entries()) yield { line: index + 1, ...readImportedMemory(value, userId) };
  }
  const importInto = (userId: string, values: readonly object[]) => sut.import(userId, linesOf(values, userId));

  it('keeps what it is given, as nobody judged it, and gives it back', async () => {
    const draft = { text: 'My dog is called Bruno.', sessionId: 's', createdAtMs: 1_000, metadata: { from: 'a form' } };
    const [memory] = await sut.add('ada', [draft]);
    expect(memory).toMatchObject({ ...draft, userId: 'ada', role: 'user', source: 'manual', surprise: null, count: 1 });
    expect(await sut.get('ada', memory!.id)).toEqual(memory);
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
    const options = { limit: 5, minSimilarity: -1, includeShadow: false };
    const found = await sut.search('ada', 'b'.repeat(12), options);
    expect(found.map(({ memory }) => memory.text)).toEqual(['a'.repeat(10), 'a']);
    expect(await sut.search('bob', 'a', options)).toEqual([]);
  });

  it('shows and deletes nothing of another user', async () => {
    const [memory] = await sut.add('ada', facts(1));
    for (const [userId, id] of [
      ['bob', memory!.id],
      ['ada', newId()],
    ] as const) {
      await expect(sut.get(userId, id)).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.delete(userId, id)).rejects.toThrow(MemoryNotFoundError);
    }
    await sut.delete('ada', memory!.id);
    expect(await texts()).toEqual([]);
  });

  it('exports everything, newest first, page after page', async () => {
    await sut.add('ada', facts(150));
    expect(await texts()).toEqual(
      facts(150)
        .map(({ text }) => text)
        .toReversed(),
    );
  });

  describe('import', () => {
    it('may be repeated as often as one likes, though no line has an id', async () => {
      const lines = facts(150);
      expect(await importInto('ada', lines)).toEqual({
        imported: 150,
        known: 0,
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

    it('takes two lines that say the same for one, and what differs for two', async () => {
      const same = { text: 'Twice.', created_at: '2026-01-01T00:00:00Z' };
      const result = await importInto('ada', [
        same,
        same,
        { ...same, created_at: '2026-01-02T00:00:00Z' },
        { text: 'Twice.' },
      ]);
      expect(result.lines).toEqual([
        { from: 1, to: 1, status: 'imported' },
        { from: 2, to: 2, status: 'known' },
        { from: 3, to: 4, status: 'imported' },
      ]);
      expect(await texts()).toHaveLength(3);
    });

    it('lists what it took by the time it was said, and undated lines last', async () => {
      await importInto('ada', [
        { text: 'undated' },
        { text: 'new', created_at: '2026-02-01T00:00:00Z' },
        { text: 'old', created_at: '2025-02-01T00:00:00Z' },
      ]);
      await sut.add('ada', [{ text: 'now' }]);
      expect(await texts()).toEqual(['now', 'new', 'old', 'undated']);
    });

    it('keeps ids that lines have, and gives one user’s memories to another', async () => {
      const [memory] = await sut.add('ada', facts(1));
      const line = { id: memory!.id, text: memory!.text, user_id: 'ada' };
      expect(await importInto('bob', [line, line])).toMatchObject({ imported: 1, known: 1 });
      expect(await sut.get('bob', memory!.id)).toMatchObject({ text: memory!.text, userId: 'bob' });
      expect(await importInto('ada', [line])).toMatchObject({ imported: 0, known: 1 });
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

  describe('forget', () => {
    it('takes memories, sessions and what waits in the stream, of one user, any number of times', async () => {
      for (const userId of ['ada', 'bob']) {
        await sut.add(userId, facts(2));
        const request = { user_id: userId, message: 'Hello', session_id: 's', memory: true, stream: false };
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
