import { Module } from '@nestjs/common';
import { VorpalModule } from '../vorpal/index.js';
import { PerplexityController } from './perplexity.controller.js';

@Module({ imports: [VorpalModule], controllers: [PerplexityController] })
export class PerplexityModule {}
