import { Module } from '@nestjs/common';
import { DecisionsController } from './decisions.controller.js';
import { MemoriesController } from './memories.controller.js';
import { MemoryModule } from '../memory.module.js';

/** The REST interface to memories and decisions. */
@Module({ imports: [MemoryModule], controllers: [MemoriesController, DecisionsController] })
export class MemoryApiModule {}
