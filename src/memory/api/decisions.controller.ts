import { Controller, Get, Query } from '@nestjs/common';
import { toDecisionBody } from './memory-bodies.js';
import { type DecisionsQuery, decisionsQuerySchema } from './memory.schema.js';
import { MemoryService } from './memory.service.js';

/** Why messages were kept or not, with all numbers. */
@Controller('decisions')
export class DecisionsController {
  constructor(private readonly memories: MemoryService) {}

  /** Newest first. */
  @Get()
  async list(@Query({ schema: decisionsQuerySchema }) { user_id: userId, limit }: DecisionsQuery) {
    return { decisions: (await this.memories.decisions(userId, limit)).map(toDecisionBody) };
  }
}
