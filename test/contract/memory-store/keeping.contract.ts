import { newId } from '../../../src/shared/index.js';
import {
  axis,
  indexed,
  listAll,
  nearest,
  numbered,
  put,
  range,
  search,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
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
        context: 'What was said before 🧠.',
        isQuestion: true,
        isPinned: true,
        recallCount: 3,
        lastRecalledAtMs: 99,
        validFromMs: 5,
      });
      const bare = indexed('bare', axis(1), {
        sessionId: null,
        perplexity: null,
        avgLogprob: null,
        informationNats: null,
        novelty: null,
        surprise: null,
        model: null,
      });

      await put(sut, [full, bare]);

      expect(await sut.get('ada', full.memory.id)).toEqual(full.memory);
      expect(await listAll(sut, 'ada')).toEqual([bare.memory, full.memory]);
      expect((await search(sut, 'ada', axis(0))).map(({ memory }) => memory)).toEqual([full.memory, bare.memory]);
    });

    it('counts an id that may come again once, for the memory that has its text', async () => {
      const sut = await open();
      const [first, second, third] = range(3).map(() => indexed('the same text'));
      const { id } = first!.memory;
      const again = { isRepeatable: true };
      expect(await sut.put('ada', [first!, second!], again)).toEqual([
        { status: 'new', id },
        { status: 'duplicate', id },
      ]);

      expect(await sut.put('ada', [first!, second!, third!], again)).toEqual([
        { status: 'known', id },
        { status: 'known', id },
        { status: 'duplicate', id },
      ]);

      expect(await sut.get('ada', id)).toMatchObject({ count: 3 });
      // Of what is not said to come again, nothing is remembered.
      for (const count of [4, 5]) {
        await sut.put('ada', [second!]);
        expect(await sut.get('ada', id)).toMatchObject({ count });
      }
      await sut.delete('ada', id);
      expect(await sut.put('ada', [second!, third!], again)).toMatchObject([
        { status: 'new' },
        { status: 'duplicate' },
      ]);
    });

    it('remembers a bounded number of such ids, the last', async () => {
      const sut = await open();
      const many = range(1_002).map(() => indexed('the same text'));
      await sut.put('ada', many, { isRepeatable: true });

      const again = await sut.put('ada', [many[1]!, many[3]!, many.at(-1)!], { isRepeatable: true });

      expect(again.map(({ status }) => status)).toEqual(['duplicate', 'known', 'known']);
    });

    it.each([
      ['emoji and joiners', '👩‍👩‍👧‍👦 👍🏽 🇮🇸'],
      ['decomposed accents', 'e\u0301 vs \u00e9'],
      ['NUL and control characters', 'a\u0000b\u0001\u001b[31m\u007f'],
      ['line breaks and quotes', `one\r\ntwo\n"three" 'four' \\ \t`],
      ['a million characters', 'ключ🔑'.repeat(142_858)],
    ])('keeps a text exactly: %s', async (_, text) => {
      const sut = await open();
      const memory = indexed(text);
      const { id } = memory.memory;

      await sut.put('ada', [memory]);

      expect((await sut.get('ada', id))?.text === text).toBe(true);
      expect((await search(sut, 'ada', memory.vector))[0]?.memory.text === text).toBe(true);
    });

    it('leaves an id that the user has as it is, and says of each memory what became of it', async () => {
      const sut = await open();
      const first = indexed('first', axis(0));
      await put(sut, [first]);
      const again = indexed('again', axis(1), { id: first.memory.id });
      const second = indexed('second', axis(2));

      expect(await sut.put('ada', [again, second, second])).toEqual([
        { status: 'known', id: first.memory.id },
        { status: 'new', id: second.memory.id },
        { status: 'known', id: second.memory.id },
      ]);
      expect(await sut.put('ada', [])).toEqual([]);

      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['second', 'first']);
      expect(await nearest(sut, 'ada', axis(1))).toMatchObject({ similarity: expect.closeTo(0, 1) });
      expect(await sut.candidates('ada', { terms: ['again'], limit: 5 })).toEqual([]);
      expect(await sut.usage('ada')).toMatchObject({ memories: 2 });
    });

    it('takes an id from one of many who put it at once', async () => {
      const stores = [await open(), await open()];
      const memories = numbered(5);

      const outcomes = await Promise.all(range(20).map((i) => stores[i % 2]!.put('ada', memories)));

      for (const index of range(5)) {
        expect(outcomes.filter((outcome) => outcome[index]?.status === 'new')).toHaveLength(1);
      }
      expect(await listAll(stores[0]!, 'ada')).toHaveLength(5);
      expect(await search(stores[1]!, 'ada', axis(0))).toHaveLength(5);
    });

    it.each([
      'x'.repeat(200),
      'ü'.repeat(200),
      '01ARZ3NDEKTSV4RRFFQ69G5FAV',
      '3F2504E0-4F89-41D3-9A0C-0305E82C3301',
      ' spaces and {braces}: "quotes" ',
    ])('keeps and finds the id that it is given: %s', async (id) => {
      const sut = await open();
      await put(sut, [indexed('kept', axis(0), { id }), indexed('other', axis(1), { id: `${id}.` })]);

      expect((await sut.get('ada', id))?.id).toBe(id);
      expect((await search(sut, 'ada', axis(0)))[0]?.memory.id).toBe(id);
      expect(await sut.delete('ada', id)).toBe(true);
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['other']);
    });

    it('knows no memory by an id that nobody has', async () => {
      const sut = await open();
      await put(sut, numbered(1));

      expect(await sut.get('ada', newId())).toBeUndefined();
      expect(await sut.get('bob', newId())).toBeUndefined();
      expect(await sut.usage('bob')).toEqual({ memories: 0, bytes: 0, pinned: 0, pinnedBytes: 0 });
    });
  });

  describe('the same text', () => {
    it('is one memory, counted as often as it was said', async () => {
      const sut = await open();
      const first = indexed('Tea,  please', axis(0), { lastSeenAtMs: 2_000, createdAtMs: 2_000 });
      const again = indexed('tea, PLEASE ', axis(1), { count: 3, lastSeenAtMs: 3_000, createdAtMs: 3_000 });
      const earlier = indexed('Tea, please', axis(2), { lastSeenAtMs: 1_000, createdAtMs: 1_000 });

      const { id } = first.memory;
      expect(await sut.put('ada', [first, again])).toEqual([
        { status: 'new', id },
        { status: 'duplicate', id },
      ]);
      expect(await sut.put('ada', [earlier])).toEqual([{ status: 'duplicate', id }]);

      const counted = { ...first.memory, count: 5, lastSeenAtMs: 3_000 };
      expect(await listAll(sut, 'ada')).toEqual([counted]);
      expect(await sut.get('ada', again.memory.id)).toBeUndefined();
      expect((await search(sut, 'ada', axis(1))).map(({ memory }) => memory)).toEqual([counted]);
      expect(await sut.findText('ada', again.digest)).toBe(id);
    });

    it('is another memory in another role, and of another user', async () => {
      const sut = await open();
      const mine = indexed('Yes.', axis(0));
      const answer = indexed('Yes.', axis(1), { role: 'assistant' });
      const bobs = indexed('Yes.', axis(2), { userId: 'bob' });

      for (const memory of [mine, answer, bobs]) await put(sut, [memory]);

      expect(await listAll(sut, 'ada')).toHaveLength(2);
      expect(await sut.findText('ada', answer.digest)).toBe(answer.memory.id);
      expect(await sut.findText('bob', mine.digest)).toBe(bobs.memory.id);
      expect(await sut.findText('eve', mine.digest)).toBeUndefined();
    });

    it('is one memory of count 500 when it comes 500 times at once, through two processes', async () => {
      const stores = [await open(), await open()];

      const outcomes = await Promise.all(
        range(50).map((i) =>
          stores[i % 2]!.put(
            'ada',
            range(10).map(() => indexed('lol')),
          ),
        ),
      );

      expect(outcomes.flat().filter(({ status }) => status === 'new')).toHaveLength(1);
      const [memory] = await listAll(stores[0]!, 'ada');
      expect(memory).toMatchObject({ text: 'lol', count: 500 });
      expect(new Set(outcomes.flat().map(({ id }) => id))).toEqual(new Set([memory?.id]));
      expect(await stores[1]!.usage('ada')).toMatchObject({ memories: 1 });
    });

    it('is new again once its memory is deleted', async () => {
      const sut = await open();
      const first = indexed('once', axis(0));
      const second = indexed('Once', axis(1));
      await put(sut, [first]);
      await sut.delete('ada', first.memory.id);

      expect(await sut.findText('ada', first.digest)).toBeUndefined();
      expect(await sut.put('ada', [second])).toEqual([{ status: 'new', id: second.memory.id }]);
      expect(textsFound(await sut.candidates('ada', { terms: ['once'], limit: 5 }))).toEqual(['Once']);
    });
  });
}
