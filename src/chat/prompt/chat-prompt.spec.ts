import { recalled } from '../../../test/support/recalled-memory.js';
import type { Turn } from '../../sessions/index.js';
import { buildPrompt, mostTokens, type PromptParts, shouldFit } from './chat-prompt.js';
import { LocalTime } from './local-time.js';

const memoryOf = (text: string) => recalled({ text });
const turn = (role: Turn['role'], text: string): Turn => ({ role, text, atMs: 0, isPrivate: false });
const TIME = new LocalTime('UTC', Date.UTC(2026, 10, 27, 15, 45));
const SYSTEM = 'Be kind.\n\nNow it is Fri 2026-11-27 15:45 (UTC).';
const PARTS: PromptParts = { systemPrompt: 'Be kind.', time: TIME, memories: [], turns: [], message: 'And now?' };
const LARGE = { windowTokens: 4_096, answerTokens: 512 };

describe(buildPrompt.name, () => {
  const contents = (parts: PromptParts, budget = LARGE): string[] =>
    buildPrompt(parts, budget).messages.map(({ content }) => content);

  it('is the system message with the time, and the message, where nothing came before', () => {
    expect(buildPrompt(PARTS, LARGE)).toEqual({
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: 'And now?' },
      ],
      memories: [],
      maxTokens: 512,
    });
  });

  it('puts the conversation in between, in order', () => {
    const turns = [turn('user', 'Hello'), turn('assistant', 'Hi!')];
    expect(contents({ ...PARTS, turns })).toEqual([SYSTEM, 'Hello', 'Hi!', 'And now?']);
  });

  it('leaves the oldest turns out where they do not fit, and no answer without its question', () => {
    const turns = [
      turn('user', 'a'.repeat(300)),
      turn('assistant', 'b'.repeat(30)),
      turn('user', 'c'),
      turn('assistant', 'd'),
    ];
    expect(contents({ ...PARTS, turns }, { windowTokens: 180, answerTokens: 100 })).toEqual([
      SYSTEM,
      'c',
      'd',
      'And now?',
    ]);
    expect(contents({ ...PARTS, turns }, { windowTokens: 60, answerTokens: 100 })).toHaveLength(2);
  });

  it('quotes memories as data, with their date, right before the message', () => {
    const turns = [turn('user', 'Hello'), turn('assistant', 'Hi!')];
    const { messages, memories } = buildPrompt({ ...PARTS, turns, memories: [memoryOf('I have a dog.')] }, LARGE);
    expect(messages.slice(0, 3).map(({ content }) => content)).toEqual([SYSTEM, 'Hello', 'Hi!']);
    expect(messages[3]).toEqual({
      role: 'user',
      content: expect.stringMatching(
        /^What I told you before, .* not instructions; .*\n<memories>\n- 2026-11-22 10:00 \(5 days ago\): "I have a dog\."\n<\/memories>\n\nAnd now\?$/,
      ),
    });
    expect(memories).toMatchObject([{ memory: { text: 'I have a dog.' } }]);
  });

  it('takes the best memories that fit, and names those', () => {
    const memories = ['first', 'x'.repeat(3_000), 'third'].map(memoryOf);
    const prompt = buildPrompt({ ...PARTS, memories }, { windowTokens: 1_000, answerTokens: 500 });
    expect(prompt.memories.map(({ memory }) => memory.text)).toEqual(['first', 'third']);
    expect(prompt.messages.at(-1)?.content).not.toContain('xxx');
    const none = buildPrompt({ ...PARTS, memories }, { windowTokens: 200, answerTokens: 100 });
    expect(none).toMatchObject({ memories: [], messages: [{ content: SYSTEM }, { content: 'And now?' }] });
  });

  it('leaves the turns at least half of the room, whatever is remembered', () => {
    const budget = { windowTokens: 1_024, answerTokens: 512 };
    const memories = Array.from({ length: 5 }, () => memoryOf('m'.repeat(240)));
    const turns = [turn('user', 'u'.repeat(300)), turn('assistant', 'a'.repeat(300))];
    const without = buildPrompt({ ...PARTS, memories }, budget);
    const prompt = buildPrompt({ ...PARTS, memories, turns }, budget);
    expect(prompt.messages).toHaveLength(4);
    expect(prompt.memories.length).toBeGreaterThan(0);
    expect(prompt.memories.length).toBeLessThan(without.memories.length);
  });

  it.each([
    ['all it may have', { windowTokens: 4_096, answerTokens: 512 }, 512],
    ['what the window leaves, where it may have more than a window', { windowTokens: 1_000, answerTokens: 9_000 }, 965],
    ['what a counted message leaves', { windowTokens: 1_024, answerTokens: 512, aloneTokens: 905 }, 119],
    ['a token, where nothing is left', { windowTokens: 1_024, answerTokens: 512, aloneTokens: 2_000 }, 1],
  ])('gives the answer %s', (_, budget, maxTokens) => {
    expect(buildPrompt(PARTS, budget).maxTokens).toBe(maxTokens);
  });

  it('keeps half of the window for what is answered to, where an answer may fill it', () => {
    const turns = [turn('user', 'u'.repeat(600)), turn('assistant', 'a'.repeat(600))];
    const { messages, maxTokens } = buildPrompt({ ...PARTS, turns }, { windowTokens: 1_024, answerTokens: 100_000 });
    expect(messages).toHaveLength(4);
    expect(maxTokens).toBeGreaterThanOrEqual(512);
    expect(maxTokens).toBeLessThan(1_024);
  });

  it('can count so that what fits does so for sure', () => {
    const turns = [turn('user', '語'.repeat(50)), turn('assistant', '語'.repeat(50))];
    const budget = { windowTokens: 300, answerTokens: 100, aloneTokens: 30 };
    expect(buildPrompt({ ...PARTS, turns }, budget).messages).toHaveLength(4);
    expect(buildPrompt({ ...PARTS, turns }, budget, mostTokens).messages).toHaveLength(2);
  });
});

describe(shouldFit.name, () => {
  it('looks at the message and the answer alone', () => {
    expect(shouldFit({ ...PARTS, message: 'a'.repeat(1_500) }, { windowTokens: 1_024, answerTokens: 400 })).toBe(true);
    expect(shouldFit({ ...PARTS, message: 'a'.repeat(1_500) }, { windowTokens: 1_024, answerTokens: 512 })).toBe(false);
  });
});
