import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type ChatParts, startChatModule } from '../../test/support/chat-module.js';
import { embeddings, sendJson } from '../../test/support/stub-vorpal.js';
import { until } from '../../test/support/until.js';
import { useStubVorpal } from '../../test/support/use-stub-vorpal.js';
import { newId } from '../shared/index.js';
import { newMemory } from './memory.service.js';
import { RecallService } from './recall.service.js';

const EMBEDDINGS = '/v1/embeddings';

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

  const remember = (...texts: string[]) =>
    parts.memories.add(
      'ada',
      texts.map((text) => ({ text })),
    );

  /** Puts a message into the shadow buffer, as the worker does with what it does not keep. */
  async function overlook(text: string): Promise<string> {
    const [vector] = await parts.embedder.embed([text]);
    const memory = { ...newMemory('ada', { text }), source: 'worker' as const };
    const decision = {
      id: memory.id,
      userId: 'ada',
      sessionId: null,
      decidedAtMs: Date.now(),
      model: 'm',
      perplexity: 5,
      informationNats: 10,
      contextual: false,
      plainPerplexity: 5,
      novelty: 0,
      nearestId: null,
      surprise: 0,
      threshold: 1,
      mode: 'fixed' as const,
      kept: false,
      reason: 'a test',
    };
    const effect = {
      kind: 'shadow',
      memory: { memory, vector: vector! },
      expiresAtMs: Date.now() + 3_600_000,
    } as const;
    await parts.store.record({ decision, effect, statistics: [] });
    return memory.id;
  }

  const textsOf = async (recalling: ReturnType<RecallService['recall']>) =>
    (await recalling)?.map(({ memory }) => memory.text);

  it('finds the best few of the user’s own', async () => {
    const sut = await start({ RECALL_LIMIT: '2' });
    await remember('a', 'a'.repeat(10), 'a'.repeat(11));
    await parts.memories.add('bob', [{ text: 'b'.repeat(12) }]);
    expect(await textsOf(sut.recall('ada', 'c'.repeat(12)))).toEqual(['a'.repeat(11), 'a'.repeat(10)]);
    expect(await sut.recall('eve', 'c')).toEqual([]);
  });

  it('leaves out what is less similar than the setting asks for', async () => {
    const sut = await start({ RECALL_MIN_SIMILARITY: '0.999' });
    await remember('a', 'a'.repeat(40));
    expect(await textsOf(sut.recall('ada', 'b'.repeat(41)))).toEqual(['a'.repeat(40)]);
  });

  it('stays within its tokens', async () => {
    const sut = await start({ RECALL_MAX_TOKENS: '100' });
    await remember('a'.repeat(120), 'b'.repeat(150));
    expect(await textsOf(sut.recall('ada', 'c'.repeat(150)))).toHaveLength(1);
  });

  it('asks nobody where it is turned off', async () => {
    const sut = await start({ RECALL_LIMIT: '0' });
    expect(await sut.recall('ada', 'Hello')).toEqual([]);
    expect(stub().requestsFor(EMBEDDINGS)).toEqual([]);
  });

  it('is null where embeddings fail, says so once, and finds again when they are back', async () => {
    const sut = await start();
    await remember('Hello');
    stub().on(EMBEDDINGS, (_, response) => {
      sendJson(response, '', 503);
    });
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    stub().on(EMBEDDINGS, ({ body }, response) => {
      sendJson(response, embeddings(body.input));
    });
    expect(await sut.recall('ada', 'Hello')).toHaveLength(1);
    expect(logged.filter((line) => line.startsWith('Chats are answered without memories'))).toHaveLength(1);
  });

  it('is null past its time, and ends the request', async () => {
    const sut = await start({ RECALL_TIMEOUT_MS: '50' });
    stub().next(EMBEDDINGS, () => undefined);
    expect(await sut.recall('ada', 'Hello')).toBeNull();
    await stub().requestsFor(EMBEDDINGS).at(-1)?.abandoned;
  });

  it('is null at once for a client that goes away, which is nobody’s failure', async () => {
    const sut = await start();
    const client = new AbortController();
    stub().next(EMBEDDINGS, () => {
      client.abort();
    });
    expect(await sut.recall('ada', 'Hello', client.signal)).toBeNull();
    expect(await sut.recall('ada', 'Hello', client.signal)).toBeNull();
    expect(logged.filter((line) => line.startsWith('Chats are answered'))).toEqual([]);
  });

  it('finds what was not kept, and keeps it from then on', async () => {
    const sut = await start();
    const id = await overlook('My locker has the number 4711.');
    expect(await sut.recall('ada', 'Which number has my locker???')).toMatchObject([
      { tier: 'shadow', memory: { id } },
    ]);
    await until(async () => (await parts.store.get('ada', id)) !== undefined, 'the message is promoted');
    expect(await parts.store.get('ada', id)).toMatchObject({ source: 'promoted' });
    expect(await parts.store.count('ada')).toEqual({ memories: 1, shadow: 0 });
  });

  it('tries a promotion that failed again with the next recall', async () => {
    const sut = await start();
    const text = 'My locker has the number 4711.';
    const id = await overlook(text);
    const answer = (refused: string) =>
      stub().on(EMBEDDINGS, ({ body }, response) => {
        if (body.input.includes(refused)) sendJson(response, '', 503);
        else sendJson(response, embeddings(body.input));
      });
    answer(text);
    await sut.recall('ada', 'Which number has my locker???');
    await until(() => logged.some((line) => line.startsWith(`Could not promote ${id}`)), 'the promotion fails');
    expect(await parts.store.count('ada')).toEqual({ memories: 0, shadow: 1 });
    answer('nothing');
    await sut.recall('ada', 'Which number has my locker???');
    await until(async () => (await parts.store.count('ada')).memories >= 1, 'the message is promoted');
  });

  it('promotes nothing of a stranger', async () => {
    const sut = await start();
    await overlook('My locker has the number 4711.');
    expect(await sut.recall('bob', 'Which number has my locker???')).toEqual([]);
    expect(await parts.store.get('bob', newId())).toBeUndefined();
    expect(await parts.store.count('ada')).toEqual({ memories: 0, shadow: 1 });
  });
});
