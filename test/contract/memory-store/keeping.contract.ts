import { newId } from '../../../src/shared/index.js';
import { axis, indexed, listAll, nearest, numbered, put, range, search, textsOf } from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeKeeping({ open }: ContractContext): void {
  describe('keeping', () => {
    it('returns every field as it was given', async () => {
      const sut = await open();
      const full = indexed('full', axis(0), {
        role: 'assistant',
        source: 'manual',
        perplexity: 1e-300,
        surprise: 1 / 3,
        createdAtMs: 1,
        lastSeenAtMs: 2 ** 52,
        count: 7,
        metadata: { tags: ['a', '🧠'], deep: { none: null, n: 0.1, '{k}': [true] }, empty: [], 'a b:c': {} },
      });
      const bare = indexed('bare', axis(1), {
        sessionId: null,
        perplexity: null,
        avgLogprob: null,
        novelty: null,
        surprise: null,
        model: null,
      });

      await put(sut, [full, bare]);

      expect(await sut.get('ada', full.memory.id)).toEqual(full.memory);
      expect(await listAll(sut, 'ada')).toEqual([bare.memory, full.memory]);
      expect((await search(sut, 'ada', axis(0))).map(({ memory }) => memory)).toEqual([full.memory, bare.memory]);
    });

    it.each([
      ['emoji and joiners', '👩‍👩‍👧‍👦 👍🏽 🇮🇸'],
      ['decomposed accents', 'e\u0301 vs \u00e9'],
      ['NUL and control characters', 'a\u0000b\u0001\u001b[31m\u007f'],
      ['line breaks and quotes', `one\r\ntwo\n"three" 'four' \\ \t`],
      ['a million characters', 'ключ🔑'.repeat(142_858)],
    ])('keeps a text exactly: %s', async (_, text) => {
      const sut = await open();
      const { memory, vector } = indexed(text);

      await sut.put('ada', [{ memory, vector }]);

      expect((await sut.get('ada', memory.id))?.text === text).toBe(true);
      expect((await search(sut, 'ada', vector))[0]?.memory.text === text).toBe(true);
    });

    it('leaves an id that the user has as it is, and says for each memory whether it is new', async () => {
      const sut = await open();
      const first = indexed('first', axis(0));
      await put(sut, [first]);
      const again = indexed('again', axis(1), { id: first.memory.id });
      const second = indexed('second', axis(2));

      expect(await sut.put('ada', [again, second, second])).toEqual([false, true, false]);
      expect(await sut.put('ada', [])).toEqual([]);

      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['second', 'first']);
      expect(await nearest(sut, 'ada', axis(1))).toMatchObject({ similarity: expect.closeTo(0, 1) });
      expect(await sut.usage('ada')).toMatchObject({ memories: 2 });
    });

    it('takes an id from one of many who put it at once', async () => {
      const stores = [await open(), await open()];
      const memories = numbered(5);

      const outcomes = await Promise.all(range(20).map((i) => stores[i % 2]!.put('ada', memories)));

      for (const index of range(5)) {
        expect(outcomes.filter((isNew) => isNew[index])).toHaveLength(1);
      }
      expect(await listAll(stores[0]!, 'ada')).toHaveLength(5);
      expect(await search(stores[1]!, 'ada', axis(0))).toHaveLength(5);
    });

    it('takes an id that comes twice at once for one memory', async () => {
      const sut = await open();
      const [memory] = numbered(1);

      expect((await sut.put('ada', [memory!, memory!])).toSorted()).toEqual([false, true]);

      expect(await sut.usage('ada')).toMatchObject({ memories: 1 });
    });

    it('knows no memory by an id that nobody has', async () => {
      const sut = await open();
      await put(sut, numbered(1));

      expect(await sut.get('ada', newId())).toBeUndefined();
      expect(await sut.get('bob', newId())).toBeUndefined();
      expect(await sut.usage('bob')).toMatchObject({ memories: 0 });
    });
  });
}
