export { PerplexityModule } from './perplexity.module.js';
