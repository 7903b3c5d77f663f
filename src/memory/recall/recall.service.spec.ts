import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type ChatParts, startChatModule } from '../../../test/support/chat-module.js';
import { embeddings, sendJson } from '../../../test/support/stub-vorpal.js';
import { until } from '../../../test/support/until.js';
import { useStubVorpal } from '../../../test/support/use-stub-vorpal.js';
import { MemoryStoreUnavailableError } from '../memory.errors.js';
import { RecallService } from './recall.service.js';

const EMBEDDINGS = '/v1/embeddings';
const BY_WORDS = 'Memories are recalled by their words alone';
const WITHOUT = 'Chats are answered without memories';

describe(RecallService.name, () => {
  const stub = useStubVorpal();
  let parts: ChatParts;
  let logged: string[];

  beforeEach(() => {
    logged = [];
    for (const level of ['log', 'warn', 'error'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        logged.push(String(message));
      });
    }
  });

  afterEach(async () => {
    await parts.close();
    jest.restoreAllMocks();
  });

  async function start(environment: NodeJS.ProcessEnv = {}): Promise<RecallService> {
    parts = await startChatModule(stub().url, environment);
    return parts.recall;
  }

  const remember = async (...texts: string[]) => {
    const kept = await parts.memories.add(
      'ada',
      texts.map((text) => ({ text })),
    );
    return kept.map(({ memory }) => memory);
  };
  const refuseEmbeddings = () =>
    stub().on(EMBEDDINGS, (_, response) => {
      sendJson(response, '', 503);
    });
  const answerEmbeddings = () =>
    stub().on(EMBEDDINGS, ({ body }, response) => {
      sendJson(response, embeddings(body.input));
    });
  const told = (beginning: string) => logged.filter((line) => line.startsWith(beginning));
  const textsOf = async (recalling: ReturnType<RecallService['recall']>) =>
    (await recalling)?.map(({ memory }) => memory.text);

  it('finds the best few of the user’s own', async () => {
    const sut = await start({ RECALL_LIMIT: '2' });
    await remember('a', 'a'.repeat(10), 'a'.repeat(11));
    await parts.memories.add('bob', [{ text: 'b'.repeat(12) }]);
    expect(await textsOf(sut.recall('ada', 'c'.repeat(12)))).toEqual(['a'.repeat(11), 'a'.repeat(10)]);
    expect(await sut.recall('eve', 'c')).toEqual([]);
  });

  it('looks for passages with a query, where the embedder wants to be told', async () => {
    const sut = await start({ EMBEDDINGS_MODEL: 'multilingual-e5-small' });
    await remember('My dog is called Bruno.');
    await sut.recall('ada', 'Who is Bruno?');
    await parts.memories.search('ada', 'Bruno', { mode: 'dense', limit: 1 });
    const asked = stub()
      .requestsFor(EMBEDDINGS)
      .map(({ body }) => body.input);
    expect(asked).toEqual([['passage: My dog is called Bruno.'], ['query: Who is Bruno?'], ['query: Bruno']]);
  });

  it('finds by words what is not near, and says by which', async () => {
    const sut = await start({ RECALL_LIMIT: '100', RECALL_MAX_TOKENS: '10000' });
    // The stub takes texts for near that are about as long.
    await remember(...Array.from({ length: 60 }, (_, index) => 'n'.repeat(30 + index)), 'Bruno is a dog.');
    const found = await sut.recall('ada', `Where is Bruno ${'z'.repeat(30)}?`);
    expect(found?.filter(({ matchedTerms }) => matchedTerms.length > 0)).toMatchObject([
      { memory: { text: 'Bruno is a dog.' }, matchedTerms: ['bruno'], cosine: expect.any(Number) },
    ]);
    expect(found?.length).toBeLessThan(61);
  });

  it('cuts what is too long around what matched', async () => {
    const sut = await start();
    const story = 'Once upon a time there was nothing to tell of. ';
    await remember(`${story.repeat(20)}Her name was Wilhelmina. ${story.repeat(20)}`);
    const [recalled] = (await sut.recall('ada', 'Who was Wilhelmina?')) ?? [];
    expect(recalled!.quotation).toContain('Her name was Wilhelmina.');
    expect(recalled!.quotation.length).toBeLessThan(1_000);
    expect(recalled!.memory.text.length).toBeGreaterThan(1_800);
  });

  it('leaves out what only asks, unless it is asked what was asked', async () => {
    const sut = await start();
    await remember('Where is my key?', 'My key is in the drawer.', 'lol');
    expect((await textsOf(sut.recall('ada', 'Who has my key?')))?.[0]).toBe('My key is in the drawer.');
    expect(await textsOf(sut.recall('ada', 'Who has my key?'))).not.toContain('Where is my key?');
    expect((await textsOf(sut.recall('ada', 'What did I ask you about?')))?.[0]).toBe('Where is my key?');
  });

  it('leaves out what stands in the conversation anyway, whatever its case', async () => {
    const sut = await start();
    await remember('Hello', 'My dog is called Bruno.', 'My cat is called Mia.');
    const said = Promise.resolve(['my  dog is called BRUNO.']);
    expect(await textsOf(sut.recall('ada', 'hello', { said }))).toEqual(['My cat is called Mia.']);
  });

  it('brings what holds now along, before what it superseded, and follows it to the end', async () => {
    const sut = await start({ RECALL_LIMIT: '2' });
    const [berlin] = await remember('My flat is in Berlin, Chausseestraße.');
    const munich = await parts.memories.edit('ada', berlin!.id, { text: 'Munich now.' });
    const { memory: graz } = await parts.memories.edit('ada', munich.memory.id, { text: 'Graz.' });
    await remember('Berlin is large.', 'Chausseestraße is long.', 'A flat tyre.');
    refuseEmbeddings();
    expect(await sut.recall('ada', 'Which flat is in Berlin, in the Chausseestraße?')).toMatchObject([
      { memory: { id: graz.id, supersededBy: null }, currentId: null },
      { memory: { id: berlin!.id, supersededBy: { id: munich.memory.id } }, currentId: graz.id },
    ]);
  });

  it('asks nobody where it is turned off', async () => {
    const sut = await start({ RECALL_LIMIT: '0' });
    expect(await sut.recall('ada', 'Hello')).toEqual([]);
    expect(stub().requestsFor(EMBEDDINGS)).toEqual([]);
  });

  it('goes by words alone where embeddings fail, says so once, and by both when they are back', async () => {
    const sut = await start();
    await remember('My dog is called Bruno.', 'x'.repeat(22));
    refuseEmbeddings();
    for (const question of ['Who is Bruno?', 'And what is Bruno?']) {
      expect(await sut.recall('ada', question)).toMatchObject([
        { memory: { text: 'My dog is called Bruno.' }, cosine: null, matchedTerms: ['bruno'] },
      ]);
    }
    // By meaning it might have found something.
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    answerEmbeddings();
    expect(await sut.recall('ada', 'Who is Bruno?')).toHaveLength(2);
    expect(await sut.recall('bob', 'Hello')).toEqual([]);
    expect(told(BY_WORDS)).toHaveLength(1);
    expect(told(WITHOUT)).toEqual([]);
  });

  it('goes by words alone where an embedding takes too long, and ends the request', async () => {
    const sut = await start({ RECALL_TIMEOUT_MS: '4000' });
    await remember('My dog is called Bruno.');
    stub().next(EMBEDDINGS, () => undefined);
    expect(await textsOf(sut.recall('ada', 'Who is Bruno?'))).toEqual(['My dog is called Bruno.']);
    await stub().requestsFor(EMBEDDINGS).at(-1)?.abandoned;
  });

  it('is null where the store fails or hangs, and says so once', async () => {
    const sut = await start({ RECALL_TIMEOUT_MS: '500' });
    const candidates = jest.spyOn(parts.store, 'candidates').mockRejectedValue(new MemoryStoreUnavailableError());
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    candidates.mockReturnValue(new Promise(() => undefined));
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    expect(told(WITHOUT)).toHaveLength(1);
  });

  it('is null at once for a client that goes away, which is nobody’s failure', async () => {
    const sut = await start();
    const client = new AbortController();
    stub().next(EMBEDDINGS, () => {
      client.abort();
    });
    expect(await sut.recall('ada', 'Hello', { caller: client.signal })).toBeNull();
    expect(await sut.recall('ada', 'Hello', { caller: client.signal })).toBeNull();
    expect([...told(WITHOUT), ...told(BY_WORDS)]).toEqual([]);
  });

  it('notes what stood in a prompt, behind the answer', async () => {
    const sut = await start();
    const [bruno, mia] = await remember('My dog is called Bruno.', 'My cat is called Mia.');
    sut.noteStood('ada', [bruno!.id]);
    const recalls = async (id: string) => (await parts.store.get('ada', id))?.recallCount;
    await until(async () => (await recalls(bruno!.id)) === 1, 'the recall is noted');
    expect(await recalls(mia!.id)).toBe(0);
  });

  it('waits for the notes at the end, begins no more than a hundred, and outlives a store that fails', async () => {
    const sut = await start();
    const held = Promise.withResolvers<undefined>();
    const slow = jest.spyOn(parts.store, 'noteRecalled').mockReturnValue(held.promise);
    for (let index = 0; index < 150; index++) sut.noteStood('ada', ['a']);
    expect(slow).toHaveBeenCalledTimes(100);
    let ended = false;
    const ending = sut.onApplicationShutdown().then(() => {
      ended = true;
    });
    await parts.store.get('ada', 'a');
    expect(ended).toBe(false);
    held.reject(new MemoryStoreUnavailableError());
    await ending;
    expect(told('It is not noted which memories were recalled')).toHaveLength(1);
  });
});
