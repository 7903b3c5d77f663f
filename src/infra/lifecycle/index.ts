export { LifecycleModule, ShutdownDeadline } from './shutdown-deadline.js';
