import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { EmbeddingsClient } from './embeddings.client.js';
import { EndpointModule } from './endpoint/endpoint.module.js';
import { VorpalHttpModule } from './http/vorpal-http.module.js';
import { PerplexityScorer } from './scoring/perplexity.scorer.js';
import { TokenSpansService } from './scoring/token-spans.service.js';
import { VorpalClient } from './vorpal.client.js';
import { VorpalHealth } from './vorpal.health.js';

/** The language-model server: the configured one, or a local one that is started and ended with the brain. */
@Module({
  imports: [TerminusModule, EndpointModule, VorpalHttpModule],
  providers: [EmbeddingsClient, VorpalClient, PerplexityScorer, TokenSpansService, VorpalHealth],
  exports: [EndpointModule, VorpalClient, PerplexityScorer, TokenSpansService, VorpalHealth],
})
export class VorpalModule {}
