export { type ChatAnswer, StreamedAnswer } from './chat-answer.js';
export {
  informationOf,
  PerplexityScorer,
  type ScoringInput,
  type ScoringOptions,
  type TextScore,
} from './perplexity.scorer.js';
export { TokenTexts } from './token-texts.js';
export type { TokenSpan } from './token-spans.js';
export type { TextEmbeddings } from './vorpal-embedding.js';
export { type ChatOptions, type ChatTokens, type ModelInfo, VorpalClient } from './vorpal.client.js';
export { FixedVorpalEndpoint, VorpalEndpoint } from './vorpal-endpoint.js';
export * from './vorpal.errors.js';
export { VorpalHealth } from './vorpal.health.js';
export { VorpalModule } from './vorpal.module.js';
export { waitForVorpal } from './wait-for-vorpal.js';
