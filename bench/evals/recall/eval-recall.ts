import { ChatStandIn } from '../../load/chat-stand-in.js';
import { ChildProgram } from '../../load/child-program.js';
import { readBeam } from './beam.js';
import { anySessionAt, type Estimate, estimate, type Finding, mean, recallAt } from '../evidence.js';
import { readArguments, requireFile, UsageError } from '../evaluation.js';
import { FixedLatencyVorpal } from '../../load/fixed-latency-vorpal.js';
import { LOCOMO_VIEWS, type LocomoView, readLocomo } from './locomo.js';
import { type MemoryTask, turnKey } from './memory-task.js';
import type { SearchMode } from './recall-brain.js';
import { DEPTHS, KEEPS, RecallEvaluation } from './recall-evaluation.js';
import { ScoreFile } from './score-file.js';
import { describeMachine, formatTable, print, round } from '../../figures/report.js';

const OPTIONS = {
  mode: { type: 'string' },
  gate: { type: 'string', default: 'all' },
  half: { type: 'boolean', default: false },
  conversations: { type: 'string' },
  'without-scores': { type: 'boolean', default: false },
  scores: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const MODES: readonly SearchMode[] = ['hybrid', 'dense', 'lexical'];
const GATES = ['all', 'fixed', 'adaptive'];
const DIGITS = 3;

interface RecallOptions {
  readonly modes: readonly SearchMode[];
  readonly gate: string;
  /** Whether to search half the store as well. */
  readonly half: boolean;
  /** Whether scores are made up, for figures that do not depend on them. */
  readonly withoutScores: boolean;
  /** A file that scores are taken from and written to. */
  readonly scores: string | undefined;
  readonly json: boolean;
}

/** What chats and searches find of long conversations between two people. */
export async function evaluateLocomo(args: readonly string[]): Promise<void> {
  const options = { ...OPTIONS, view: { type: 'string', default: LOCOMO_VIEWS[0] } } as const;
  const { positionals, values } = readArguments(args, options);
  const view = oneOf<LocomoView>('--view', values.view, LOCOMO_VIEWS);
  const tasks = readLocomo(requireFile(positionals), view);
  await evaluateRecall(`LoCoMo, ${view}`, firstOf(tasks, values.conversations), readOptions(values));
}

/** The same of conversations with an assistant. */
export async function evaluateBeam(args: readonly string[]): Promise<void> {
  const options = { ...OPTIONS, assistant: { type: 'string', default: 'context' } } as const;
  const { positionals, values } = readArguments(args, options);
  const assistant = oneOf('--assistant', values.assistant, ['context', 'all']);
  const tasks = readBeam(requireFile(positionals), assistant === 'all');
  const name = assistant === 'all' ? 'BEAM, with the assistant’s turns' : 'BEAM';
  await evaluateRecall(name, firstOf(tasks, values.conversations), readOptions(values));
}

async function evaluateRecall(name: string, tasks: readonly MemoryTask[], options: RecallOptions): Promise<void> {
  // A server of one's own, as for the brain itself.
  const local = process.env.VORPAL_URL === undefined ? ChildProgram.start('local-vorpal', {}) : undefined;
  const scoring = options.withoutScores ? await FixedLatencyVorpal.start({ chatMs: 0, scoringMs: 0 }) : undefined;
  const standIn = await ChatStandIn.start(
    { vorpal: process.env.VORPAL_URL ?? (await local?.url()) ?? '', ...(scoring && { scoring: scoring.url }) },
    options.scores === undefined ? undefined : new ScoreFile(options.scores),
  );
  const evaluation = await RecallEvaluation.begin(tasks, standIn);
  try {
    await report(name, evaluation, options);
  } finally {
    await evaluation.end();
    await standIn.stop();
    scoring?.stop();
    await local?.end('SIGTERM');
  }
}

async function report(name: string, evaluation: RecallEvaluation, options: RecallOptions): Promise<void> {
  const { tasks } = evaluation;
  const cost = await evaluation.remember({ SURPRISE_MODE: options.gate });
  const { findings, tokens } = await evaluation.ask();
  const inPrompt = estimate(findings.map((finding) => recallAt(Infinity, finding)));
  print(`${name}: ${tasks.length} users, ${cost.messages} messages, ${findings.length} questions with evidence\n`);
  print(
    `Evidence in the prompt of POST /chat: ${text(inPrompt)}, ` +
      `in ${Math.round(mean(tokens))} tokens of memories (at most ${Math.max(...tokens)})\n`,
  );

  const sessionOf = new Map(
    tasks.flatMap((task) => task.turns.map((turn) => [turnKey(task, turn.id), `${task.userId}/${turn.session}`])),
  );
  const byMode = new Map<SearchMode, Finding[]>();
  for (const mode of options.modes) byMode.set(mode, await evaluation.search(mode));
  print(recallTable([...byMode], sessionOf));
  for (const [mode, found] of byMode) print(`\n${categoryTable(mode, found, findings)}`);

  const halves = options.half ? await searchHalves(evaluation) : [];
  if (options.half) print(`\n${halfTable(halves)}`);
  const scored = options.withoutScores
    ? 'scores made up'
    : `${round(cost.scoredTokens / cost.messages, 1)} tokens scored`;
  print(
    `\nA message: ${scored}, ${round((cost.seconds * 1_000) / cost.messages, 1)} ms until it is a memory; ` +
      describeMachine(),
  );
  if (options.json) {
    const modes = Object.fromEntries([...byMode].map(([mode, found]) => [mode, recalls(found)]));
    print(
      JSON.stringify({ name, machine: describeMachine(), cost, inPrompt, promptTokens: mean(tokens), modes, halves }),
    );
  }
}

async function searchHalves(evaluation: RecallEvaluation) {
  const rows: { readonly keep: string; readonly recall: Estimate }[] = [];
  for (const keep of KEEPS) {
    const draws = await evaluation.searchHalf(keep, 'hybrid');
    rows.push({ keep, recall: estimate(draws.flat().map((finding) => recallAt(10, finding))) });
  }
  return rows;
}

const recalls = (found: readonly Finding[]) =>
  Object.fromEntries(DEPTHS.map((depth) => [depth, estimate(found.map((finding) => recallAt(depth, finding)))]));

function recallTable(
  byMode: readonly (readonly [SearchMode, readonly Finding[]])[],
  sessionOf: ReadonlyMap<string, string>,
) {
  return formatTable(
    ['POST /memories/search', ...DEPTHS.map((depth) => `by turn @${depth}`), 'any of session @5', '@10'],
    byMode.map(([mode, found]) => [
      mode,
      ...DEPTHS.map((depth) => text(estimate(found.map((finding) => recallAt(depth, finding))))),
      ...[5, 10].map((depth) => round(mean(found.map((finding) => anySessionAt(depth, finding, sessionOf))), DIGITS)),
    ]),
  );
}

function categoryTable(mode: SearchMode, found: readonly Finding[], asked: readonly Finding[]): string {
  const categories = [...new Set(found.map(({ category }) => category))].sort();
  return formatTable(
    [`category, ${mode}`, 'questions', ...DEPTHS.map((depth) => `@${depth}`), 'in the prompt'],
    categories.map((category) => {
      const ofCategory = found.filter((finding) => finding.category === category);
      const prompts = asked.filter((finding) => finding.category === category);
      return [
        category,
        ofCategory.length,
        ...DEPTHS.map((depth) => round(mean(ofCategory.map((finding) => recallAt(depth, finding))), DIGITS)),
        round(mean(prompts.map((finding) => recallAt(Infinity, finding))), DIGITS),
      ];
    }),
  );
}

const halfTable = (rows: readonly { readonly keep: string; readonly recall: Estimate }[]): string =>
  formatTable(
    ['half the store, by', '@10'],
    rows.map(({ keep, recall }) => [keep, text(recall)]),
  );

const text = ({ mean: value, low, high }: Estimate): string =>
  `${value.toFixed(DIGITS)} [${low.toFixed(DIGITS)}, ${high.toFixed(DIGITS)}]`;

function readOptions(values: {
  readonly mode?: string;
  readonly gate: string;
  readonly half: boolean;
  readonly json: boolean;
  readonly 'without-scores': boolean;
  readonly scores?: string;
}): RecallOptions {
  if (values['without-scores'] && values.scores !== undefined) {
    throw new UsageError('--scores keeps scores, and --without-scores makes them up: one of the two.');
  }
  return {
    modes: values.mode === undefined ? MODES : [oneOf('--mode', values.mode, MODES)],
    gate: oneOf('--gate', values.gate, GATES),
    half: values.half,
    withoutScores: values['without-scores'],
    scores: values.scores,
    json: values.json,
  };
}

/** @throws UsageError */
function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new UsageError(`${option} is one of ${allowed.join(', ')}, and not "${value}".`);
  return found;
}

/** @throws UsageError */
function firstOf(tasks: readonly MemoryTask[], count: string | undefined): readonly MemoryTask[] {
  if (count === undefined) return tasks;
  if (!/^[1-9]\d{0,3}$/.test(count)) throw new UsageError('--conversations is a number of users.');
  return tasks.slice(0, Number(count));
}
