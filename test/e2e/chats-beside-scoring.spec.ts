import { TestBrain } from '../support/brain.js';
import { sendJson, type StubHandler } from '../support/stub-vorpal.js';
import { SteppingVorpal } from '../support/stepping-vorpal.js';
import { untilValue } from '../support/until.js';

const CHATS = 10;
const BACKLOG = 400;

// What the server does in a quarter of a second (1,250 tokens), twice that before the budget has found out, and a few
// requests beside the chat. The windows of the long message alone are 64,000 tokens.
const MOST_TOKENS_DURING_A_CHAT = 4_096;

// Of the backlog: what its messages have at least, and what may be scored of batches that are not through. Four take
// turns.
const LEAST_MESSAGE_TOKENS = 80;
const MOST_TOKENS_OF_UNFINISHED = 6_000;
const ENOUGH_TOKENS = 16_000;

const SLOW = { msPerStep: 5, msPerPrefillToken: 0.2 };
const cjk = (characters: number): string => '今天天气很好我们一起去公园散步吧'.repeat(characters / 16);

describe('chats while texts are scored', () => {
  let vorpal: SteppingVorpal;
  let brain: TestBrain;

  async function start(costs: typeof SLOW, environment: NodeJS.ProcessEnv = {}): Promise<void> {
    vorpal = await SteppingVorpal.start(costs);
    brain = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      WORKER_BACKOFF_MAX_MS: '200',
      VORPAL_BREAKER_OPEN_MS: '200',
      ...environment,
    });
  }

  afterEach(async () => {
    await brain.dispose();
    await vorpal.stop();
  });

  const isScoring = (since = 0): Promise<unknown> =>
    untilValue(
      () => vorpal.scoringTokens,
      (tokens) => tokens > since,
      { details: () => brain.program.output() },
    );

  const chat = (session_id: string): Promise<unknown> =>
    untilValue(
      () => brain.post('/chat', { message: 'How are you?', user_id: 'ada', session_id }),
      ({ status }) => status === 200,
    );

  async function expectChatsUnharmed(): Promise<void> {
    await isScoring();
    for (let asked = 0; asked < CHATS; asked++) await chat(`chat-${asked}`);
    expect(vorpal.scoringTokensDuringChats).toHaveLength(CHATS);
    expect(Math.max(...vorpal.scoringTokensDuringChats)).toBeLessThanOrEqual(MOST_TOKENS_DURING_A_CHAT);
    // It gives way, and goes on.
    await isScoring(vorpal.scoringTokens);
  }

  /** Batches become memories one after another while chats go on, not all of them at the end. */
  async function expectHeadway(): Promise<void> {
    for (let asked = 0; vorpal.scoringTokens < ENOUGH_TOKENS; asked++) await chat(`meanwhile-${asked}`);
    const tokens = vorpal.scoringTokens;
    const { processed } = await brain.worker();
    expect(tokens - processed * LEAST_MESSAGE_TOKENS).toBeLessThanOrEqual(MOST_TOKENS_OF_UNFINISHED);
  }

  it('are not held up by one long message', async () => {
    await start(SLOW);
    const refused = await brain.post('/chat', { message: cjk(16_000), user_id: 'bob', session_id: 'long' });
    expect(refused).toMatchObject({ status: 413, body: { code: 'VORPAL_CONTEXT_LENGTH' } });
    await expectChatsUnharmed();
  });

  it('are not held up by what an outage has left', async () => {
    await start(SLOW);
    const { stub } = vorpal;
    const away: StubHandler = (_, response) => {
      sendJson(response, { error: { message: 'loading', type: 'ServiceUnavailable', code: 503 } }, 503);
    };
    const [score, answer] = [stub.handlerOf('/v1/completions'), stub.handlerOf('/v1/chat/completions')];
    stub.on('/v1/completions', away).on('/v1/chat/completions', away);
    for (let said = 0; said < BACKLOG; said += 20) {
      const messages = Array.from({ length: 20 }, (_, index) => said + index);
      const answers = await Promise.all(
        messages.map((number) =>
          brain.post('/chat', {
            message: `Message ${number}: while nobody answered, this is what somebody had to say about the weather.`,
            user_id: `user-${number % 7}`,
            session_id: 'outage',
          }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(messages.map(() => 503));
    }
    stub.on('/v1/completions', score).on('/v1/chat/completions', answer);
    await expectChatsUnharmed();
    await expectHeadway();
  });

  it('and a text that takes longer than a request may is scored to its end', async () => {
    const timeoutMs = 2_000;
    await start({ msPerStep: 1, msPerPrefillToken: 0.05 }, { VORPAL_SCORING_TIMEOUT_MS: String(timeoutMs) });
    const answer = await brain.post('/perplexity', { text: cjk(32_000) });
    expect(answer).toMatchObject({ status: 200, body: { token_count: 96_000, perplexity: expect.any(Number) } });
    expect(vorpal.workedMs).toBeGreaterThan(timeoutMs);
  });
});
