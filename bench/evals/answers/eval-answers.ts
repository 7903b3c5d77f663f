import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ProgressBar } from '../../../src/observability/index.js';
import { sleep } from '../../../src/shared/index.js';
import { type AskedFact, distractorsOf, namesAnswer, readFacts } from './answers.js';
import { ChildProgram } from '../../load/child-program.js';
import { readArguments, requireFile } from '../evaluation.js';
import { describeMachine, formatTable, print, round } from '../../figures/report.js';

const OWN_FACTS = fileURLToPath(new URL('../../data/answers.jsonl', import.meta.url));
// As much as a new user has said in a first talk; all of it fits the prompt.
const OTHER_FACTS = 7;
// A first start may fetch a model of 2 GB.
const READY_LIMIT_MS = 60 * 60_000;
const READY_POLL_MS = 500;
const ANSWER_LIMIT_MS = 300_000;
// As many as the local Vorpal works on side by side.
const ASKED_AT_ONCE = 4;
// An answer that has not come to the point by then rambles.
const ANSWER_TOKENS = '64';

const answerSchema = z.looseObject({
  response: z.string(),
  model: z.string(),
  memories: z.array(z.looseObject({ text: z.string() })).nullable(),
});

interface Answer {
  readonly model: string;
  readonly question: string;
  readonly response: string;
  readonly isInPrompt: boolean;
  readonly isRight: boolean;
}

/**
 * Whether the model makes use of the memories in its prompt: facts are added for users of their own, each beside
 * others, and asked for through `POST /chat`, as anybody would.
 */
export async function evaluateAnswers(args: readonly string[]): Promise<void> {
  const { positionals, values } = readArguments(args, {
    json: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
  });
  const facts = readFacts(positionals.length === 0 ? OWN_FACTS : requireFile(positionals));
  const dataDir = mkdtempSync(join(tmpdir(), 'eval-answers-'));
  // A store of its own, and nothing scored beside: what is measured is the model that answers.
  const environment = { REDIS_URL: '', BRAIN_DATA_DIR: dataDir, ASYNC_MEMORY: 'false', CHAT_MAX_TOKENS: ANSWER_TOKENS };
  const brain = ChildProgram.start('brain', { NODE_ENV: '', ...environment });
  try {
    const url = await brain.url();
    await waitUntilReady(url);
    const startedAt = performance.now();
    const { answers, model } = await askAll(url, facts);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (values.show) print(showAnswers(answers));
    report(answers, model, seconds, values.json);
  } catch (error) {
    throw new Error(`The brain did not answer to the end. Its output:\n${brain.output()}`, { cause: error });
  } finally {
    await brain.end('SIGTERM');
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function waitUntilReady(url: string): Promise<void> {
  const limit = AbortSignal.timeout(READY_LIMIT_MS);
  for (;;) {
    const response = await fetch(`${url}/health/ready`, { signal: limit });
    const body = await response.text();
    if (response.ok) return;
    if (limit.aborted) throw new Error(`The brain is not ready: ${body}`);
    await sleep(READY_POLL_MS);
  }
}

async function askAll(url: string, facts: readonly AskedFact[]): Promise<{ answers: Answer[]; model: string }> {
  const bar = new ProgressBar('asking', facts.length);
  const answers: Answer[] = [];
  for (let start = 0; start < facts.length; start += ASKED_AT_ONCE) {
    const indices = [...facts.keys()].slice(start, start + ASKED_AT_ONCE);
    answers.push(...(await Promise.all(indices.map((index) => ask(url, facts, index)))));
    bar.advance(indices.length);
  }
  bar.stop();
  return { answers, model: answers[0]?.model ?? '' };
}

/** Has a user of its own say the fact and others, and ask for it. */
async function ask(url: string, facts: readonly AskedFact[], index: number): Promise<Answer> {
  const asked = facts[index];
  if (!asked) throw new RangeError(`There is no fact ${index}.`);
  const user = `user-${index}`;
  const others = distractorsOf(facts, index, OTHER_FACTS);
  // The fact stands in the midst of the others: neither the first nor the last thing said.
  const said = others.toSpliced(Math.floor(others.length / 2), 0, asked);
  for (const { fact } of said) await post(`${url}/memories`, { user_id: user, text: fact });
  const answer = answerSchema.parse(await post(`${url}/chat`, { user_id: user, message: asked.question }));
  return {
    model: answer.model,
    question: asked.question,
    response: answer.response,
    isInPrompt: answer.memories?.some(({ text }) => text === asked.fact) ?? false,
    isRight: namesAnswer(answer.response, asked.answers),
  };
}

async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  if (!response.ok) throw new Error(`${url} answered HTTP ${response.status}: ${await response.text()}`);
  return response.json();
}

const showAnswers = (answers: readonly Answer[]): string =>
  formatTable(
    ['right', 'in prompt', 'question', 'answer'],
    answers.map(({ isRight, isInPrompt, question, response }) => [
      isRight ? 'yes' : 'no',
      isInPrompt ? 'yes' : 'no',
      question,
      response.replaceAll(/\s+/g, ' '),
    ]),
  );

function report(answers: readonly Answer[], model: string, seconds: number, asJson: boolean): void {
  const share = (is: (answer: Answer) => boolean) => round(answers.filter(is).length / answers.length, 3);
  const [right, inPrompt] = [share(({ isRight }) => isRight), share(({ isInPrompt }) => isInPrompt)];
  const secondsPerAnswer = round(seconds / answers.length, 2);
  print(
    formatTable(
      ['model', 'questions', 'fact in prompt', 'answered right', 's/question'],
      [[model, answers.length, inPrompt, right, secondsPerAnswer]],
    ),
  );
  print(`\nRight: the answer names what the fact says, whatever else it says. ${describeMachine()}`);
  if (!asJson) return;
  const machine = describeMachine();
  print(JSON.stringify({ model, machine, questions: answers.length, in_prompt: inPrompt, right, answers }));
}
