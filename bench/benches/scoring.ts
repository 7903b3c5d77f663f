// npm run bench -- scoring [--json]: scored tokens/s of the local Vorpal beside the same library's plain prefill.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { sleep } from '../../src/shared/index.js';
import { completionResponseSchema, tokenizeResponseSchema } from '@archive-brain/vllm-protocol';
import { ChildProgram } from '../load/child-program.js';
import { ProgressBar } from '../../src/observability/index.js';
import { describeMachine, formatTable, percentile, print, round } from '../figures/report.js';

const ROUNDS = 5;
const COLD_STARTS = 3;
const HEALTH_POLL_MS = 10;
const READY_LIMIT_MS = 120_000;

// As the memory worker sends them: ten messages a request, two requests at once.
const PROMPTS_PER_REQUEST = 10;
const REQUESTS_AT_ONCE = 2;

const MESSAGES = 80;
const PASSAGES = 8;
const PASSAGE_TOKENS = 500;

const PLAIN_PREFILL = fileURLToPath(new URL('./plain-prefill.ts', import.meta.url));
const DOCUMENTS = fileURLToPath(new URL('../../docs/', import.meta.url));

interface Workload {
  readonly name: string;
  readonly prompts: readonly number[][];
}

interface Measurement {
  readonly workload: string;
  readonly tokens: number;
  readonly scored_tokens_per_s: number;
  readonly plain_tokens_per_s: number;
  /** Median of the rounds' own ratios: what slows a round meets both sides of it. */
  readonly ratio: number;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
await run();

async function run(): Promise<void> {
  const coldStarts = await measureColdStarts();
  const vorpal = ChildProgram.start('local-vorpal', {});
  const plain = fork(PLAIN_PREFILL);
  try {
    await once(plain, 'message');
    const url = await vorpal.url();
    await untilHealthy(url);
    const workloads = await readWorkloads(url);
    const measurements = await measure(url, plain, workloads);
    report(coldStarts, measurements, { vorpal: peakMemoryMiB(vorpal.process), plain: peakMemoryMiB(plain) });
  } finally {
    plain.kill();
    await vorpal.end('SIGTERM');
  }
}

/** Milliseconds from the start of the process to listening, and to the model's first 200. The file cache is warm. */
async function measureColdStarts(): Promise<{ listening_ms: number; ready_ms: number }[]> {
  const bar = new ProgressBar('starting the local Vorpal', COLD_STARTS);
  const starts: { listening_ms: number; ready_ms: number }[] = [];
  for (let i = 0; i < COLD_STARTS; i++) {
    const startedAt = performance.now();
    const program = ChildProgram.start('local-vorpal', {});
    const url = await program.url();
    const listening = performance.now() - startedAt;
    await untilHealthy(url);
    starts.push({ listening_ms: Math.round(listening), ready_ms: Math.round(performance.now() - startedAt) });
    await program.end('SIGTERM');
    bar.advance();
  }
  bar.stop();
  return starts;
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!(await fetch(`${url}/health`)).ok) {
    if (performance.now() > deadline) throw new Error(`The local Vorpal was not ready within ${READY_LIMIT_MS} ms.`);
    await sleep(HEALTH_POLL_MS);
  }
}

/** Real text that everybody has who has the program: its own documents, as messages of a sentence and as passages. */
async function readWorkloads(url: string): Promise<Workload[]> {
  const text = readdirSync(DOCUMENTS)
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => readFileSync(`${DOCUMENTS}/${name}`, 'utf8'))
    .join('\n');
  const sentences = text.split(/(?<=[.:!?])\s+|\n+/).filter(({ length }) => length >= 40 && length <= 240);
  const messages = await Promise.all(sentences.slice(0, MESSAGES).map((sentence) => tokenize(url, sentence)));
  const all = await tokenize(url, text);
  const passages = Array.from({ length: PASSAGES }, (_, index) =>
    all.slice(index * PASSAGE_TOKENS, (index + 1) * PASSAGE_TOKENS),
  );
  return [
    { name: 'messages', prompts: messages },
    { name: 'passages', prompts: passages.filter(({ length }) => length === PASSAGE_TOKENS) },
  ];
}

async function measure(url: string, plain: ChildProcess, workloads: readonly Workload[]): Promise<Measurement[]> {
  const bar = new ProgressBar('measuring rounds', workloads.length * ROUNDS);
  const measurements: Measurement[] = [];
  for (const { name, prompts } of workloads) {
    const tokens = prompts.reduce((sum, { length }) => sum + length, 0);
    const rounds: { scoredMs: number; plainMs: number }[] = [];
    await Promise.all([timeScoringMs(url, prompts.slice(0, 2)), timePlainMs(plain, prompts.slice(0, 2))]);
    for (let i = 0; i < ROUNDS; i++) {
      rounds.push({ scoredMs: await timeScoringMs(url, prompts), plainMs: await timePlainMs(plain, prompts) });
      bar.advance();
    }
    const median = (pick: (round_: (typeof rounds)[number]) => number) => percentile(rounds.map(pick), 50);
    measurements.push({
      workload: name,
      tokens,
      scored_tokens_per_s: Math.round((tokens / median(({ scoredMs }) => scoredMs)) * 1_000),
      plain_tokens_per_s: Math.round((tokens / median(({ plainMs }) => plainMs)) * 1_000),
      ratio: round(
        median(({ scoredMs, plainMs }) => plainMs / scoredMs),
        3,
      ),
    });
  }
  bar.stop();
  return measurements;
}

async function timeScoringMs(url: string, prompts: readonly number[][]): Promise<number> {
  const requests = Array.from({ length: Math.ceil(prompts.length / PROMPTS_PER_REQUEST) }, (_, index) =>
    prompts.slice(index * PROMPTS_PER_REQUEST, (index + 1) * PROMPTS_PER_REQUEST),
  ).values();
  const connection = async () => {
    for (const prompt of requests) await score(url, prompt);
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, connection));
  return performance.now() - startedAt;
}

async function score(url: string, prompt: readonly number[][]): Promise<void> {
  const body = { prompt, echo: true, logprobs: 0, max_tokens: 1, temperature: 0 };
  const { choices } = completionResponseSchema.parse(await post(`${url}/v1/completions`, body));
  const complete = choices.every(
    ({ logprobs }, index) => logprobs?.token_logprobs.length === (prompt[index]?.length ?? 0) + 1,
  );
  if (!complete) throw new Error('The server did not score every token.');
}

async function timePlainMs(plain: ChildProcess, prompts: readonly number[][]): Promise<number> {
  plain.send({ prompts });
  const [answer] = (await once(plain, 'message')) as [unknown];
  return z.object({ ms: z.number() }).parse(answer).ms;
}

async function tokenize(url: string, prompt: string): Promise<number[]> {
  return tokenizeResponseSchema.parse(await post(`${url}/tokenize`, { prompt })).tokens;
}

async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(READY_LIMIT_MS),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Linux keeps a process's largest resident size; elsewhere there is no figure. */
function peakMemoryMiB({ pid }: ChildProcess): number | null {
  if (process.platform !== 'linux' || pid === undefined) return null;
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return match ? Math.round(Number(match[1]) / 1_024) : null;
}

function report(
  coldStarts: readonly { listening_ms: number; ready_ms: number }[],
  measurements: readonly Measurement[],
  peakMemory: { vorpal: number | null; plain: number | null },
): void {
  const rows = measurements.map((row) => [
    row.workload,
    row.tokens,
    row.scored_tokens_per_s,
    row.plain_tokens_per_s,
    row.ratio,
  ]);
  print(formatTable(['text', 'tokens', 'scored tokens/s', 'plain prefill tokens/s', 'ratio'], rows));
  print(
    '\nPlain prefill computes no logits; scoring needs those of every token, which is a fifth more arithmetic here.',
  );
  print(`Peak memory: local Vorpal ${peakMemory.vorpal ?? '?'} MiB, plain prefill ${peakMemory.plain ?? '?'} MiB`);
  const starts = coldStarts.map(({ listening_ms, ready_ms }) => `${listening_ms}/${ready_ms}`).join(', ');
  print(`Cold starts, ms to listening/to ready: ${starts}`);
  print(describeMachine());
  if (!values.json) return;
  const peak_memory_mib = peakMemory;
  print(JSON.stringify({ measurements, peak_memory_mib, cold_starts: coldStarts, machine: describeMachine() }));
}
