import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { assertTextLength, ClientSignal, httpSettings, type HttpSettings, TextsTooLongError } from '../http/index.js';
import { PerplexityScorer, type TextScore, type TokenSpan, TokenSpansService } from '../vorpal/index.js';
import {
  type PerplexityRequest,
  perplexityRequestSchema,
  type PerplexityResponse,
  type SinglePerplexityResponse,
  type TextPerplexity,
} from './perplexity.schema.js';

// The tokens of this many are an answer of about 4 MB, which is in memory several times while it is made.
const MAX_TOTAL_CHARACTERS = 131_072;

/** The memory worker's own scoring function over HTTP, for people and for tests. */
@Controller('perplexity')
export class PerplexityController {
  constructor(
    private readonly scorer: PerplexityScorer,
    private readonly tokenSpans: TokenSpansService,
    @Inject(httpSettings.KEY) private readonly settings: HttpSettings,
  ) {}

  /** Answers `text` with its result beside the model, and `texts` with a list of results in their order. */
  @Post()
  @HttpCode(200)
  async score(
    @Body({ schema: perplexityRequestSchema }) request: PerplexityRequest,
    @ClientSignal() signal: AbortSignal,
  ): Promise<PerplexityResponse | SinglePerplexityResponse> {
    const texts = request.texts ?? [request.text ?? ''];
    const maxCharacters = this.settings.messageMaxCharacters;
    for (const text of texts) assertTextLength('text', text, maxCharacters);
    assertTextLength('context', request.context ?? '', maxCharacters);
    const total = texts.reduce((sum, { length }) => sum + length, 0);
    // One text is as long as the settings allow.
    const maxTotal = Math.max(MAX_TOTAL_CHARACTERS, maxCharacters);
    if (total > maxTotal) throw new TextsTooLongError(total, maxTotal);
    const scores = await this.scorer.score(
      texts.map((text) => ({ text, context: request.context })),
      { signal },
    );
    const spans = request.tokens ? await this.tokenSpans.spansOf(scoredTexts(texts, scores), signal) : [];
    const results = scores.map((score, index) => toTextPerplexity(score, spans[index]));
    const { model = '', prefix = null } = scores[0] ?? {};
    const [single] = results;
    return request.text !== undefined && single ? { ...single, model, prefix } : { model, prefix, results };
  }
}

const scoredTexts = (texts: readonly string[], scores: readonly TextScore[]) =>
  scores.map((score, index) => ({ text: texts[index] ?? '', score }));

function toTextPerplexity(score: TextScore, spans: readonly TokenSpan[] | undefined): TextPerplexity {
  return {
    perplexity: score.perplexity,
    avg_logprob: score.avgLogprob,
    token_count: score.tokenCount,
    ...(spans && { tokens: spans.map((span, index) => ({ ...span, logprob: score.tokens[index]?.logprob ?? null })) }),
    ...(score.reason !== undefined && { reason: score.reason }),
  };
}
