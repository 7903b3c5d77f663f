import { completion, stubLogprob } from '../../../test/support/stub-vorpal.js';
import { readPromptLogprobs } from './prompt-logprobs.js';
import { VorpalProtocolError, VorpalScoringUnsupportedError } from '../vorpal.errors.js';

type Answer = ReturnType<typeof completion>;

/** A right answer to two prompts, made wrong by `change`. */
function changed(change: (answer: Answer, first: Answer['choices'][number]) => void): Answer {
  const answer = completion([
    [1, 2, 3],
    [4, 5],
  ]);
  change(answer, answer.choices[0]!);
  return answer;
}
const prompts = [
  [1, 2, 3],
  [4, 5],
];

describe(readPromptLogprobs.name, () => {
  it('gives the prompt’s own tokens and leaves out the generated one', () => {
    expect(readPromptLogprobs(completion(prompts), prompts)).toEqual([
      { tokens: ['1', '2', '3'], logprobs: [null, stubLogprob(2), stubLogprob(3)] },
      { tokens: ['4', '5'], logprobs: [null, stubLogprob(5)] },
    ]);
  });

  it('puts the choices into the order of the prompts', () => {
    const answer = changed(({ choices }) => choices.reverse());
    expect(readPromptLogprobs(answer, prompts).map(({ tokens }) => tokens.length)).toEqual([3, 2]);
  });

  it('can do without usage', () => {
    expect(readPromptLogprobs({ ...completion(prompts), usage: null }, prompts)).toHaveLength(2);
  });

  it.each([
    ['has the generated token only', [-1]],
    ['has no entries', []],
  ])('says that the server cannot score if the answer %s', (_, logprobs) => {
    const answer = changed((_answer, { logprobs: first }) => {
      first.token_logprobs = logprobs;
      first.tokens = logprobs.map(String);
    });
    expect(() => readPromptLogprobs(answer, prompts)).toThrow(VorpalScoringUnsupportedError);
  });

  it('says that the server cannot score if there are no logprobs', () => {
    const { choices, ...rest } = completion(prompts);
    const bare = choices.map((choice) => ({ ...choice, logprobs: null }));
    expect(() => readPromptLogprobs({ ...rest, choices: bare }, prompts)).toThrow(VorpalScoringUnsupportedError);
  });

  it.each<[string, RegExp, Parameters<typeof changed>[0]]>([
    ['a choice is missing', /2 prompts.*1 choices/, ({ choices }) => choices.pop()],
    ['a choice comes twice', /2 prompts/, ({ choices }) => (choices[1]!.index = 0)],
    ['the arrays differ in length', /4 tokens have 3/, (_, { logprobs }) => logprobs.token_logprobs.splice(1, 1)],
    [
      'a prompt has an entry too few',
      /3 tokens has 2/,
      (_, { logprobs }) => {
        logprobs.token_logprobs.splice(1, 1);
        logprobs.tokens.splice(1, 1);
      },
    ],
    ['the first token has a logprob', /first token/, (_, { logprobs }) => (logprobs.token_logprobs[0] = -1)],
    ['a later token has none', /token 2 has no logprob/, (_, { logprobs }) => (logprobs.token_logprobs[2] = null)],
    ['a logprob is not finite', /token 1/, (_, { logprobs }) => (logprobs.token_logprobs[1] = NaN)],
    ['usage counts other tokens', /usage counts 9/, ({ usage }) => (usage.prompt_tokens = 9)],
  ])('refuses an answer in which %s', (_, message, change) => {
    const answer = changed(change);
    expect(() => readPromptLogprobs(answer, prompts)).toThrow(VorpalProtocolError);
    expect(() => readPromptLogprobs(answer, prompts)).toThrow(message);
  });

  it('checks strings, whose length it cannot know, against usage', () => {
    const answer = completion([[1, 2, 3]]);
    answer.usage.prompt_tokens = 4;
    expect(() => readPromptLogprobs(answer, ['abc'])).toThrow(VorpalProtocolError);
  });
});
