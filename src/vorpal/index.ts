export { type ChatAnswer, StreamedAnswer } from './chat/chat-answer.js';
export {
  PerplexityScorer,
  type ScoringInput,
  type ScoringOptions,
  type TextScore,
} from './scoring/perplexity.scorer.js';
export { informationOf } from './scoring/perplexity.js';
export { TokenSpansService } from './scoring/token-spans.service.js';
export type { TokenSpan } from './scoring/token-spans.js';
export type { EmbeddingRole, TextEmbeddings } from './embeddings.client.js';
export type { ModelInfo } from './model-lookup.js';
export { type ChatOptions, type ChatTokens, VorpalClient } from './vorpal.client.js';
export { FixedVorpalEndpoint, VorpalEndpoint } from './endpoint/vorpal-endpoint.js';
export * from './vorpal.errors.js';
export { VorpalHealth } from './vorpal.health.js';
export { VorpalModule } from './vorpal.module.js';
export {
  embeddingsModelOf,
  scoringConcurrencyOf,
  vorpalOf,
  vorpalSettings,
  type VorpalSettings,
} from './vorpal.settings.js';
export { waitForVorpal } from './endpoint/wait-for-vorpal.js';
