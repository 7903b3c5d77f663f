import { Module } from '@nestjs/common';
import { DeadLettersController } from './dead-letters.controller.js';
import { StreamModule } from '../stream.module.js';

/** The REST interface to the dead letters. */
@Module({ imports: [StreamModule], controllers: [DeadLettersController] })
export class DeadLettersApiModule {}
