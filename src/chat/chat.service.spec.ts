import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { collect } from '../../test/support/chat-events.js';
import { type ChatParts, startChatModule } from '../../test/support/chat-module.js';
import {
  chatChunk,
  chatCompletion,
  sendEvents,
  sendJson,
  sse,
  STUB_MODEL,
  StubVorpal,
} from '../../test/support/stub-vorpal.js';
import { until } from '../../test/support/until.js';
import { promptTokens, serveWindow, type VorpalWindow } from '../../test/support/windowed-vorpal.js';
import { MemoryStoreUnavailableError } from '../memory/memory.errors.js';
import { TextTooLongError } from '../http/http.errors.js';
import { VorpalContextLengthError, VorpalFailedError } from '../vorpal/index.js';
import type { ChatEvent, ChatRequest, ChatResponse } from './chat.schema.js';
import { ChatService } from './chat.service.js';

const CHAT = '/v1/chat/completions';
const MANNERS = ['refuses', 'clamps'] as const;
const CHARACTER = 'S'.repeat(28);
// Any other time is as long.
const NOW = 'Now it is Fri 2026-11-27 15:45 (UTC).';
const SYSTEM = `${CHARACTER}\n\n${NOW}`;
const NEVER = new AbortController().signal;

/** Everything that the stub's window counts for system prompt and message where a token is a byte. */
const aloneTokens = (message: string): number => promptTokens([system, user(message)]);
const system = { role: 'system', content: SYSTEM };
const user = (content: string) => ({ role: 'user', content });

/** What the model is asked where a memory bears on it. */
const withMemory = (text: string, message: string) =>
  expect.stringMatching(new RegExp(`"${text}"\\n</memories>\\n\\n${message.replace('?', String.raw`\?`)}$`)) as string;

describe.each(['answer', 'stream'] as const)(`${ChatService.name}.%s`, (method) => {
  let stub: StubVorpal;
  let sut: ChatParts;
  let warnings: string[];

  beforeEach(async () => {
    warnings = [];
    jest.spyOn(Logger.prototype, 'warn').mockImplementation((message: unknown) => {
      warnings.push(String(message));
    });
    stub = await StubVorpal.start();
  });

  afterEach(async () => {
    await stub.stop();
    await sut.close();
    jest.restoreAllMocks();
  });

  async function start(environment: NodeJS.ProcessEnv = {}, window?: VorpalWindow): Promise<void> {
    if (window) serveWindow(stub, window);
    const settings = { CHAT_SYSTEM_PROMPT: CHARACTER, TIME_ZONE: 'UTC', CHAT_MAX_TOKENS: '512' };
    sut = await startChatModule(stub.url, { ...settings, ...environment });
  }

  async function ask(request: Partial<ChatRequest> & { message: string }, signal = NEVER): Promise<ChatResponse> {
    const whole = {
      user_id: 'ada',
      session_id: undefined,
      memory: true,
      timezone: undefined,
      stream: method === 'stream',
      ...request,
    };
    if (method === 'answer') return sut.chat.answer(whole, undefined, signal);
    const events = await collect(sut.chat.stream(whole, undefined, signal));
    const done = events.at(-1);
    if (done?.type !== 'done') throw new Error('the stream has no end');
    const deltas = events.slice(0, -1) as Extract<ChatEvent, { type: 'delta' }>[];
    expect(deltas.map(({ text }) => text).join('')).toBe(done.response);
    const { type, ...response } = done;
    expect(type).toBe('done');
    return response;
  }

  const remember = (...texts: string[]) =>
    sut.memories.add(
      'ada',
      texts.map((text) => ({ text })),
    );
  const say = (...texts: string[]) =>
    sut.sessions.append(
      'ada',
      'talk',
      texts.map((text, index) => ({ role: index % 2 ? 'assistant' : 'user', text, atMs: index, isPrivate: false })),
    );
  const turns = async () => (await sut.sessions.begin('ada', 'talk')).turns.map(({ text }) => text);
  const prompts = () => stub.requestsFor(CHAT).map(({ body }) => body);
  const lastPrompt = () => prompts().at(-1)!;
  const lastContents = () =>
    lastPrompt().messages.map(({ content }) => content.replace(/Now it is \w{3} [-\d]+ [:\d]+ \(UTC\)\./, NOW));
  const captured = (count: number) => until(() => sut.capture.captured >= count, `${count} messages are captured`);

  it('asks with memories, turns and message, and says what it used and how the answer ended', async () => {
    await start();
    const [kept] = await remember('My dog is called Bruno.');
    await say('Hello', 'Hi!');
    const response = await ask({ message: 'Who is Bruno?', session_id: 'talk' });
    expect(lastContents()).toEqual([SYSTEM, 'Hello', 'Hi!', withMemory('My dog is called Bruno.', 'Who is Bruno?')]);
    expect(lastPrompt().max_tokens).toBe(512);
    expect(response).toEqual({
      response: 'Hello.',
      engine: 'vorpal',
      model: STUB_MODEL,
      session_id: 'talk',
      memories: [
        {
          id: kept!.memory.id,
          text: 'My dog is called Bruno.',
          role: 'user',
          created_at: new Date(kept!.memory.createdAtMs).toISOString(),
          last_seen_at: new Date(kept!.memory.createdAtMs).toISOString(),
          similarity: expect.any(Number),
          score: expect.any(Number),
          why: { cosine: expect.any(Number), bm25: expect.any(Number), matched_words: ['Bruno'] },
          is_current: true,
          superseded_by: null,
        },
      ],
      finish_reason: 'stop',
      usage: method === 'answer' ? { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } : null,
    });
    expect(await turns()).toEqual(['Hello', 'Hi!', 'Who is Bruno?', 'Hello.']);
  });

  describe.each(MANNERS)('of a server that %s what does not fit', (manner) => {
    it('lets memories give way before turns', async () => {
      await start({ CHAT_MAX_TOKENS: '100' }, { windowTokens: 1_000, manner });
      // Found by what was said before them: the stub's vectors tell nothing of these characters.
      const texts = Array.from('語文字漢和', (character, index) => character.repeat(40 + index));
      await sut.memories.add(
        'ada',
        texts.map((text) => ({ text, context: 'm'.repeat(200) })),
      );
      await say('u'.repeat(200), 'a'.repeat(200));
      const response = await ask({ message: 'm'.repeat(200), session_id: 'talk' });
      expect(response).toMatchObject({ response: 'Hello.', memories: [] });
      expect(lastContents()).toEqual([SYSTEM, 'u'.repeat(200), 'a'.repeat(200), 'm'.repeat(200)]);
      expect(lastPrompt().max_tokens).toBe(100);
      expect(prompts()).toHaveLength(2);
    });

    it('then lets the oldest turns give way', async () => {
      await start({ CHAT_MAX_TOKENS: '100' }, { windowTokens: 1_000, manner });
      await say('u'.repeat(700), 'a'.repeat(300), 'new', 'newer');
      const response = await ask({ message: 'm'.repeat(200), session_id: 'talk' });
      expect(response).toMatchObject({ response: 'Hello.', finish_reason: 'stop' });
      expect(lastContents()).toEqual([SYSTEM, 'new', 'newer', 'm'.repeat(200)]);
      expect(prompts()).toHaveLength(2);
    });

    it('answers what fits alone, with what the window leaves', async () => {
      await start({}, { windowTokens: 1_024, manner });
      await remember(...Array.from({ length: 5 }, (_, index) => `Fact ${10 ** index} about Bruno.`));
      const message = 'm'.repeat(1_024 - aloneTokens('') - 28);
      const response = await ask({ message });
      expect(response).toMatchObject({ response: 'Hello.', memories: [], finish_reason: 'stop' });
      expect(lastContents()).toEqual([SYSTEM, message]);
      if (manner === 'refuses') expect(lastPrompt().max_tokens).toBe(1_024 - aloneTokens(message));
      expect(prompts().length).toBeLessThanOrEqual(2);
    });

    it('asks once where the message is long enough to be counted first', async () => {
      await start({}, { windowTokens: 1_024, manner, bytesPerToken: 4 });
      await remember(...Array.from({ length: 5 }, (_, index) => `Fact ${10 ** index} about Bruno.`));
      const message = 'm'.repeat(905 * 4);
      const tokens = promptTokens([system, user(message)], 4);
      expect(await ask({ message })).toMatchObject({ response: 'Hello.', memories: [] });
      expect(prompts()).toMatchObject([{ max_tokens: 1_024 - tokens }]);
    });

    it('refuses what leaves no room for an answer, saying so, and captures it', async () => {
      await start({ CHAT_MAX_TOKENS: '8' }, { windowTokens: 256, manner });
      await say('Hello', 'Hi!');
      for (const left of [0, 1]) {
        const message = 'm'.repeat(256 - aloneTokens('') - left);
        await expect(ask({ message, session_id: 'talk' })).rejects.toMatchObject({
          code: 'VORPAL_CONTEXT_LENGTH',
          httpStatus: 413,
          message: expect.stringMatching(/window.*Send a shorter message\.$/),
        });
      }
      await captured(2);
      expect(await turns()).toEqual(['Hello', 'Hi!']);
    });

    it('refuses what is longer than the window without asking for an answer', async () => {
      await start({}, { windowTokens: 256, manner });
      await expect(ask({ message: 'm'.repeat(5_000) })).rejects.toThrow(VorpalContextLengthError);
      expect(prompts()).toEqual([]);
      await captured(1);
    });

    it.each(['1024', '131072'])(
      'cuts an answer of CHAT_MAX_TOKENS=%s to the window, with the session',
      async (most) => {
        await start({ CHAT_MAX_TOKENS: most }, { windowTokens: 1_024, manner, bytesPerToken: 4 });
        await remember('My dog is called Bruno.');
        await say('Hello', 'Hi!');
        const response = await ask({ message: 'Who is Bruno?', session_id: 'talk' });
        expect(response).toMatchObject({ response: 'Hello.', memories: [{ text: 'My dog is called Bruno.' }] });
        expect(lastContents().slice(1)).toEqual([
          'Hello',
          'Hi!',
          withMemory('My dog is called Bruno.', 'Who is Bruno?'),
        ]);
        expect(prompts()).toHaveLength(1);
        await until(() => warnings.length > 0, 'the setting is warned of');
        expect(warnings).toEqual([
          expect.stringMatching(/^CHAT_MAX_TOKENS is \d+, and the window .* holds 1024 tokens/),
        ]);
      },
    );

    it.each([500, 90])('notices that the model came back with a window of %d tokens', async (windowTokens) => {
      await start({ CHAT_MAX_TOKENS: '100' }, { windowTokens: 4_000, manner });
      await ask({ message: 'Hello' });
      serveWindow(stub, { windowTokens, manner });
      await say('u'.repeat(600), 'a'.repeat(600));
      expect(await ask({ message: 'And now?', session_id: 'talk' })).toMatchObject({ response: 'Hello.' });
      expect(lastContents()).toEqual([SYSTEM, 'And now?']);
    });

    it('refuses a message that fills the window which it was not expected to', async () => {
      await start({ CHAT_MAX_TOKENS: '8' }, { windowTokens: 256, manner });
      const message = 'm'.repeat(256 - aloneTokens(''));
      await expect(ask({ message })).rejects.toMatchObject({ code: 'VORPAL_CONTEXT_LENGTH', httpStatus: 413 });
    });
  });

  it('asks again without the session where a full window left not one word', async () => {
    await start({ CHAT_MAX_TOKENS: '400' }, { windowTokens: 1_000, manner: 'clamps' });
    const message = 'm'.repeat(100);
    const left = 1_000 - aloneTokens(message) - 2 * aloneTokens('') + 2 * SYSTEM.length + 2 * 4;
    await say('u'.repeat(500), 'a'.repeat(left - 500 - 2));
    expect(await ask({ message, session_id: 'talk' })).toMatchObject({ response: 'Hello.', finish_reason: 'stop' });
    expect(prompts().map(({ messages }) => messages.length)).toEqual([4, 2]);
  });

  it('lets the server limit the answer where it does not count tokens', async () => {
    await start({}, { windowTokens: 1_024, manner: 'refuses' });
    stub.on('/tokenize', (_, response) => {
      sendJson(response, { detail: 'Not Found' }, 404);
    });
    await say('Hello', 'Hi!');
    expect(await ask({ message: 'm'.repeat(900), session_id: 'talk' })).toMatchObject({ response: 'Hello.' });
    expect(prompts().map(({ messages }) => messages.length)).toEqual([4, 2]);
    expect(lastPrompt()).not.toHaveProperty('max_tokens');
  });

  it.each([
    ['stop', null],
    ['length', { prompt_tokens: 10, completion_tokens: 512, total_tokens: 522 }],
  ])('passes an answer without a word on (%s), and keeps nothing of it in the session', async (finish, usage) => {
    await start();
    await say('Hello', 'Hi!');
    stub.next(CHAT, ({ body }, response) => {
      if (body.stream === true) {
        const end = { ...chatChunk(undefined), choices: [], usage };
        sendEvents(response, [chatChunk(''), chatChunk(undefined, finish), ...(usage ? [end] : []), '[DONE]']);
      } else {
        const choices = [{ index: 0, message: { role: 'assistant', content: null }, finish_reason: finish }];
        sendJson(response, { ...chatCompletion(STUB_MODEL, null), choices, usage });
      }
    });
    expect(await ask({ message: 'Hm?', session_id: 'talk' })).toMatchObject({
      response: '',
      finish_reason: finish,
      usage,
    });
    expect(prompts()).toHaveLength(1);
    expect(await turns()).toEqual(['Hello', 'Hi!']);
    expect(warnings).toEqual([`${STUB_MODEL} gave an empty answer (finish_reason ${finish})`]);
    await captured(1);
  });

  it('goes on without memories where they cannot be recalled', async () => {
    await start();
    await remember('My dog is called Bruno.');
    jest.spyOn(sut.store, 'candidates').mockRejectedValue(new MemoryStoreUnavailableError());
    expect(await ask({ message: 'Who is Bruno?' })).toMatchObject({ response: 'Hello.', memories: null });
    expect(lastContents()).toEqual([SYSTEM, 'Who is Bruno?']);
  });

  it('does not quote what stands in the conversation anyway', async () => {
    await start();
    await remember('Hello', 'Who is Bruno?', 'My dog is called Bruno.');
    await say('Hello', 'Hi!');
    const { memories } = await ask({ message: 'Who is Bruno?', session_id: 'talk' });
    expect(memories?.map(({ text }) => text)).toEqual(['My dog is called Bruno.']);
  });

  it('neither recalls nor captures a private message, and marks its turns', async () => {
    await start();
    await remember('My dog is called Bruno.');
    const response = await ask({ message: 'My code is 4711.', session_id: 'talk', memory: false });
    expect(response).toMatchObject({ memories: [] });
    expect(lastContents()).toEqual([SYSTEM, 'My code is 4711.']);
    expect((await sut.sessions.begin('ada', 'talk')).turns).toMatchObject([
      { text: 'My code is 4711.', isPrivate: true },
      { text: 'Hello.', isPrivate: true },
    ]);
    await ask({ message: 'Thank you.', session_id: 'talk' });
    const [delivered] = await sut.stream.read({ count: 10, blockMs: 10_000, signal: NEVER });
    expect(delivered?.entry).toMatchObject({ message: 'Thank you.', context: '' });
    expect(lastContents().slice(1)).toEqual([
      'My code is 4711.',
      'Hello.',
      withMemory('My dog is called Bruno.', 'Thank you.'),
    ]);
  });

  it('captures the message with the turns before it', async () => {
    await start();
    await say('Hello', 'Hi!');
    await ask({ message: 'My dog is called Bruno.', session_id: 'talk' });
    const [delivered] = await sut.stream.read({ count: 10, blockMs: 10_000, signal: NEVER });
    expect(delivered?.entry).toMatchObject({
      message: 'My dog is called Bruno.',
      userId: 'ada',
      sessionId: 'talk',
      role: 'user',
      context: 'User: Hello\nAssistant: Hi!\nUser: ',
    });
  });

  describe('with CAPTURE_ASSISTANT', () => {
    const entries = async () =>
      (await sut.stream.read({ count: 10, blockMs: 10_000, signal: NEVER })).map(({ entry }) => entry);

    it('all, captures the answer as well, with what it answers to', async () => {
      await start({ CAPTURE_ASSISTANT: 'all', CONTEXT_MAX_TURNS: '3' });
      await say('Hello', 'Hi!');
      await ask({ message: 'My dog is called Bruno.', session_id: 'talk' });
      await captured(2);
      expect(await entries()).toMatchObject([
        { message: 'My dog is called Bruno.', role: 'user' },
        {
          message: 'Hello.',
          userId: 'ada',
          sessionId: 'talk',
          role: 'assistant',
          context: 'User: Hello\nAssistant: Hi!\nUser: My dog is called Bruno.\nAssistant: ',
          forgetMark: '',
        },
      ]);
    });

    it('all, captures of an answer what a message may have', async () => {
      await start({ CAPTURE_ASSISTANT: 'all', MESSAGE_MAX_CHARACTERS: '4' });
      await ask({ message: 'm' });
      await captured(2);
      expect((await entries()).map(({ message }) => message)).toEqual(['m', 'Hell']);
    });

    it('all, captures neither private answers nor empty ones', async () => {
      await start({ CAPTURE_ASSISTANT: 'all' });
      await ask({ message: 'My code is 4711.', memory: false });
      stub.next(CHAT, ({ body }, response) => {
        if (body.stream === true) sendEvents(response, [chatChunk(''), chatChunk(undefined, 'stop'), '[DONE]']);
        else sendJson(response, chatCompletion(STUB_MODEL, null));
      });
      await ask({ message: 'Hm?' });
      await ask({ message: 'Goodbye' });
      await captured(3);
      expect((await entries()).map(({ message }) => message)).toEqual(['Hm?', 'Goodbye', 'Hello.']);
    });

    it('context, captures no answer', async () => {
      await start();
      await ask({ message: 'one' });
      await ask({ message: 'two' });
      await captured(2);
      expect((await entries()).map(({ message }) => message)).toEqual(['one', 'two']);
    });

    it('off, leaves the answers out of what was said before', async () => {
      await start({ CAPTURE_ASSISTANT: 'off' });
      await say('Hello', 'Hi!');
      await ask({ message: 'My dog is called Bruno.', session_id: 'talk' });
      await captured(1);
      expect(await entries()).toMatchObject([{ context: 'User: Hello\nUser: ' }]);
    });
  });

  it('tells the time where the client is, and when things were said there', async () => {
    await start({ TIME_ZONE: 'UTC' });
    const createdAtMs = Date.UTC(2025, 11, 31, 20);
    await sut.memories.add('ada', [{ text: 'My dog is called Bruno.', createdAtMs }]);
    await ask({ message: 'Who is Bruno?', timezone: 'Asia/Tokyo' });
    expect(lastContents()[0]).toMatch(/Now it is \w{3} [-\d]+ [:\d]+ \(Asia\/Tokyo\)\./);
    expect(lastContents().at(-1)).toContain('- 2026-01-01 05:00 (');
    await ask({ message: 'Who is Bruno?' });
    expect(lastContents().at(-1)).toContain('- 2025-12-31 20:00 (');
  });

  it('has the versions of a fact in order, and notes that they were recalled', async () => {
    await start();
    const [berlin] = await remember('My home is in Berlin.');
    await remember('Bread is good.');
    const munich = await sut.memories.edit('ada', berlin!.memory.id, { text: 'My home is in Munich now.' });
    const { memories } = await ask({ message: 'Where is my home?' });
    expect(memories).toMatchObject([
      { id: munich.memory.id, is_current: true, superseded_by: null },
      { id: berlin!.memory.id, is_current: false, superseded_by: munich.memory.id },
      { text: 'Bread is good.' },
    ]);
    const said = lastContents()
      .at(-1)!
      .split('\n')
      .filter((line) => line.startsWith('- '));
    const berlinAt = said.findIndex((line) => line.includes('Berlin'));
    expect(said[berlinAt]).toContain(', outdated since ');
    expect(said[berlinAt + 1]).toMatch(/, holds now\): ".*Munich/);
    const recalls = async () => (await sut.store.get('ada', berlin!.memory.id))?.recallCount;
    await until(async () => (await recalls()) === 1, 'the recall is noted');
  });

  it('captures what Vorpal cannot answer, keeps it out of the session, and fails with its error', async () => {
    await start();
    stub.next(CHAT, (_, response) => {
      sendJson(response, { error: { message: 'boom', type: 'InternalServerError', code: 500 } }, 500);
    });
    await expect(ask({ message: 'Hello', session_id: 'talk' })).rejects.toThrow(VorpalFailedError);
    await captured(1);
    expect(await turns()).toEqual([]);
  });

  it('captures nothing of a message that is longer than the setting allows', async () => {
    await start({ MESSAGE_MAX_CHARACTERS: '10' });
    await expect(ask({ message: 'm'.repeat(11) })).rejects.toThrow(TextTooLongError);
    await ask({ message: 'm' });
    const delivered = await sut.stream.read({ count: 10, blockMs: 10_000, signal: NEVER });
    expect(delivered.map(({ entry }) => entry.message)).toEqual(['m']);
  });

  it('ends upstream when its client goes away, and keeps the message', async () => {
    await start();
    const client = new AbortController();
    const asked = Promise.withResolvers<undefined>();
    stub.next(CHAT, () => {
      asked.resolve(undefined);
    });
    const asking = ask({ message: 'Hello', session_id: 'talk' }, client.signal);
    asking.catch(() => undefined);
    await asked.promise;
    client.abort();
    await expect(asking).rejects.toThrow(/abort/i);
    await stub.requestsFor(CHAT)[0]?.abandoned;
    await captured(1);
    expect(await turns()).toEqual([]);
  });
});

describe(`${ChatService.name}.stream`, () => {
  it('ends upstream when nobody reads on, and keeps nothing in the session', async () => {
    const stub = await StubVorpal.start();
    const sut = await startChatModule(stub.url);
    try {
      stub.next(CHAT, (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(sse(chatChunk('one')));
      });
      const request = {
        message: 'Hello',
        user_id: 'ada',
        session_id: 'talk',
        memory: true,
        timezone: undefined,
        stream: true,
      };
      const events = sut.chat.stream(request, undefined, NEVER);
      expect((await events.next()).value).toEqual({ type: 'delta', text: 'one' });
      await events.return();
      await stub.requestsFor(CHAT)[0]?.abandoned;
      expect((await sut.sessions.begin('ada', 'talk')).turns).toEqual([]);
    } finally {
      await sut.close();
      await stub.stop();
    }
  });
});
