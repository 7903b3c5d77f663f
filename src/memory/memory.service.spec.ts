import { type ChatParts, startChatModule } from '../../test/support/chat-module.js';
import { collect } from '../../test/support/chat-events.js';
import { sendJson } from '../../test/support/stub-vorpal.js';
import { until } from '../../test/support/until.js';
import { useStubVorpal } from '../../test/support/use-stub-vorpal.js';
import { newId } from '../shared/index.js';
import { MemoryNotFoundError } from './memory.errors.js';
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

  it('shows and deletes nothing of another user', async () => {
    const [kept] = await sut.add('ada', facts(1));
    const { memory } = kept!;
    for (const [userId, id] of [
      ['bob', memory.id],
      ['ada', newId()],
    ] as const) {
      await expect(sut.get(userId, id)).rejects.toThrow(MemoryNotFoundError);
      await expect(sut.delete(userId, id)).rejects.toThrow(MemoryNotFoundError);
    }
    await sut.delete('ada', memory.id);
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
