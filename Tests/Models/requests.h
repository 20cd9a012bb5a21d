/*
 * The steps of TLBShootdown between processors: what asks, what answers, and what waits. A step is
 * what the library does to shared memory by one instruction; what is a processor's own is done
 * together with the step before or after. A model declares `flushAsked`, which flushes what
 * `askers` ask of this processor.
 */

/* The processor is no longer waited for, by one asker after another. */
inline clearBits() {
  do
  :: d_step {
      askers != 0 ->
      LOCKED;
      do :: askers & BIT(asker) -> break :: else -> asker++ od;
      waitingFor[asker] = waitingFor[asker] & ~BIT(HERE);
#ifdef BUG_ONE_ASKER_ANSWERED
      askers = 0;
#else
      askers = askers & ~BIT(asker);
#endif
      asker = 0
    }
  :: askers == 0 -> break
  od
}

/* TLBShootdown.answer. */
inline answer() {
#ifdef BUG_BITS_TAKEN_LATE
  askers = pendingFrom[HERE];
#else
  d_step { LOCKED; askers = pendingFrom[HERE]; pendingFrom[HERE] = 0 };
#endif
#ifdef BUG_BITS_TAKEN_LATE
  flushAsked();
  d_step { LOCKED; pendingFrom[HERE] = 0 };
  clearBits()
#elif defined(BUG_ANSWER_BEFORE_FLUSH)
  again = askers;
  clearBits();
  atomic { askers = again; again = 0 };
  flushAsked();
  askers = 0
#else
  flushAsked();
  clearBits()
#endif
}

/* TLBShootdown.send: the request of this processor to `others`, to one after another, and then the
 * interrupt to those who had none to answer. */
inline send() {
  do
  :: d_step {
      others != 0 ->
      LOCKED;
      do :: others & BIT(other) -> break :: else -> other++ od;
      if :: pendingFrom[other] == 0 -> idle = idle | BIT(other) :: else fi;
      pendingFrom[other] = pendingFrom[other] | BIT(HERE);
      others = others & ~BIT(other);
      other = 0
    }
  :: atomic {
      others == 0 ->
      do
      :: idle & BIT(other) -> interrupted[other] = true; idle = idle & ~BIT(other)
      :: idle != 0 && !(idle & BIT(other)) -> other++
      :: idle == 0 -> other = 0; break
      od
    } ->
    break
  od
}

/* TLBShootdown.waitForAnswers. */
inline waitForAnswers() {
#ifdef BUG_NO_WAIT
  skip
#else
  do
#ifdef BUG_ONE_ANSWER_IS_ENOUGH
  :: waitingFor[HERE] != asked || asked == 0 -> break
#else
  :: waitingFor[HERE] == 0 -> break
#endif
#ifdef WITHDRAWS
  :: withdraw()
#endif
#ifndef BUG_WAIT_WITHOUT_ANSWERS
  :: waitingFor[HERE] != 0 && pendingFrom[HERE] != 0 -> answer()
#endif
  od
#endif
}

/* PageTableNode.acquireLock, which answers while it waits. */
inline acquireLock() {
  do
  :: atomic { !nodeLock[page] -> nodeLock[page] = true } -> break
#ifndef BUG_LOCK_WITHOUT_ANSWERS
  :: nodeLock[page] && pendingFrom[HERE] != 0 -> answer()
#endif
  od
}

/* The other process of a processor: its handler, which calls TLBShootdown.serve. */
active [N] proctype handler() {
  byte askers, asker;
#ifdef BUG_ANSWER_BEFORE_FLUSH
  byte again;
#endif
end:
  do
  :: atomic {
      interrupted[HERE] && !interruptsOff[HERE] ->
      interrupted[HERE] = false;
      handling[HERE] = true
    };
    if :: pendingFrom[HERE] != 0 -> answer() :: else fi;
    handling[HERE] = false
  od
}
