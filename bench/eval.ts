// npm run eval -- NAME …: what the product's own paths are worth, measured on data.
import 'reflect-metadata';
import { describeEvaluations, type Evaluation, findEvaluation, UsageError } from './evals/evaluation.js';

const EVALUATIONS: readonly Evaluation[] = [
  {
    name: 'answers',
    usage: '[FILE] [--show] [--json]',
    about:
      'share of questions that the model answers from the memories in its prompt; ' +
      'FILE: {"fact", "question", "answers"}',
    load: async () => (await import('./evals/answers/eval-answers.js')).evaluateAnswers,
  },
  {
    name: 'blimp',
    usage: 'FILE [--json]',
    about:
      'share of minimal pairs {"paradigm", "good", "bad"} whose good sentence has the higher total logprob; ' +
      'area under the curve of perplexity',
    load: async () => (await import('./evals/blimp/eval-blimp.js')).evaluateBlimp,
  },
  {
    name: 'changes',
    usage: 'FILE [--fit FILE] [--ablation] [--json]',
    about:
      'how well pairs {"before", "after", "kind"} of changed facts are told from others, and what chats make of them',
    load: async () => (await import('./evals/changes/eval-changes.js')).evaluateChanges,
  },
  {
    name: 'beam',
    usage:
      'FILE [--assistant context|all] [--mode MODE] [--gate GATE] [--half] [--conversations N] ' +
      '[--without-scores | --scores FILE] [--json]',
    about: 'the same as locomo, of BEAM: conversations with an assistant',
    load: async () => (await import('./evals/recall/eval-recall.js')).evaluateBeam,
  },
  {
    name: 'languages',
    usage: '[FILE] [--json]',
    about:
      'share of facts that a search in the same and in another language finds; ' +
      'FILE: {"fact", "language", "same", "cross", "cross_language"}',
    load: async () => (await import('./evals/languages/eval-languages.js')).evaluateLanguages,
  },
  {
    name: 'locomo',
    usage:
      'FILE [--view one-user|two-speakers] [--mode hybrid|dense|lexical] [--gate all|fixed|adaptive] [--half] ' +
      '[--conversations N] [--without-scores | --scores FILE] [--json]',
    about: 'what POST /chat and POST /memories/search find again of the long conversations of LoCoMo',
    load: async () => (await import('./evals/recall/eval-recall.js')).evaluateLocomo,
  },
];

try {
  const [name, ...args] = process.argv.slice(2);
  const evaluation = findEvaluation(EVALUATIONS, name);
  const run = await evaluation.load();
  try {
    await run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}\n\n${describeEvaluations([evaluation])}`);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
