import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answered, ScoreFile } from './score-file.js';

interface Asked {
  readonly model: string;
  readonly prompt: readonly (readonly number[])[];
}

describe(ScoreFile.name, () => {
  let folder: string;
  let path: string;
  let asked: Asked[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scores-'));
    path = join(folder, 'scores.jsonl');
    asked = [];
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const request = (prompt: unknown, more: object = {}): Buffer =>
    Buffer.from(JSON.stringify({ model: 'm', prompt, echo: true, logprobs: 0, max_tokens: 1, ...more }));

  /** Each token's logprob is minus the token. */
  const ask = (body: Buffer): Promise<Answered> => {
    const parsed = JSON.parse(body.toString()) as Asked;
    asked.push(parsed);
    const choices = parsed.prompt.map((tokens, index) => {
      const logprobs = { tokens: tokens.map(String), token_logprobs: tokens.map((token) => -token) };
      return { index, text: '', finish_reason: 'length', logprobs };
    });
    const answer = { id: 'a', object: 'text_completion', created: 0, model: parsed.model, choices };
    return Promise.resolve({ status: 200, body: Buffer.from(JSON.stringify(answer)) });
  };

  async function logprobsOf(file: ScoreFile, body: Buffer): Promise<number[][]> {
    const { status, body: answer } = await file.answer(body, ask);
    expect(status).toBe(200);
    const { choices } = JSON.parse(answer.toString()) as {
      choices: { index: number; logprobs: { token_logprobs: number[] } }[];
    };
    expect(choices.map(({ index }) => index)).toEqual(choices.map((_, index) => index));
    return choices.map(({ logprobs }) => logprobs.token_logprobs);
  }

  it('asks for what it has not, and answers in the order of the prompts', async () => {
    const sut = new ScoreFile(path);
    await logprobsOf(sut, request([[1, 2], [3]]));

    expect(await logprobsOf(sut, request([[4], [3], [1, 2]]))).toEqual([[-4], [-3], [-1, -2]]);
    expect(asked.map(({ prompt }) => prompt)).toEqual([[[1, 2], [3]], [[4]]]);
  });

  it('knows in another run what was asked in this one, half a line at the end of the file or not', async () => {
    await logprobsOf(new ScoreFile(path), request([[1, 2]]));
    await writeFile(path, `${await readFile(path, 'utf8')}{"key":"ab`);

    expect(await logprobsOf(new ScoreFile(path), request([1, 2]))).toEqual([[-1, -2]]);
    expect(asked).toHaveLength(1);
  });

  it('takes the score of another model, or of other parameters, for another', async () => {
    const sut = new ScoreFile(path);
    for (const more of [{}, { model: 'other' }, { max_tokens: 0 }]) await logprobsOf(sut, request([[1]], more));
    expect(asked).toHaveLength(3);
  });

  it('hands on what the server refuses, and keeps nothing of it', async () => {
    const sut = new ScoreFile(path);
    const refusal = { status: 400, body: Buffer.from('{}') };
    expect(await sut.answer(request([[1]]), () => Promise.resolve(refusal))).toBe(refusal);
    expect(await logprobsOf(sut, request([[1]]))).toEqual([[-1]]);
  });
});
