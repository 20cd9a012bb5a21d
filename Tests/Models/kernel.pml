/*
 * Flushes of kernel pages on all processors that answer, while processors stop, and start again
 * with the same number. A kernel page is in every root, and its translation is global.
 *
 * Steps of: TLBShootdown.flushKernel, ask, send, waitForAnswers, withdraw, answer, addProcessor,
 * removeProcessor; ActiveRoots.add, remove, answeringProcessors.
 *
 * What holds: when a change returns, no running processor can use a translation that is older; and
 * a frame that is freed is in no running processor's TLB. No processor waits for one that has
 * stopped.
 */
#define WALKS(processor) true /* whatever it does, it may cache what it can walk to */
byte tlb[8];
#define TLB(processor, page) tlb[2 * (processor) + page]
#define WITHDRAWS

#include "machine.h"

bool answers[N];              /* ActiveRoots: the processor answers requests */
bool runs[N];                 /* its program uses kernel pages */

/* TLBShootdown.flush(whatIsAskedBy:). */
inline flushAsked() {
  atomic {
    asker = 0;
    do
    :: asker < N && (askers & BIT(asker)) -> flushHere(requestedPage[asker]); asker++
    :: asker < N && !(askers & BIT(asker)) -> asker++
    :: asker == N -> asker = 0; break
    od
  }
}

/* TLBShootdown.withdraw: from those that are waited for and do not answer, one after another. */
#define IS_STOPPED(p) ((waitingFor[HERE] & BIT(p)) && !answers[p])
inline withdraw() {
#ifdef BUG_NOT_WITHDRAWN
  false
#else
  atomic {
    if
    :: IS_STOPPED(0) -> other = 0
    :: IS_STOPPED(1) -> other = 1
#if N > 2
    :: IS_STOPPED(2) -> other = 2
#endif
    fi
  };
#ifdef BUG_WITHDRAWN_THOUGH_TAKEN
  d_step {
    pendingFrom[other] = pendingFrom[other] & ~BIT(HERE);
    waitingFor[HERE] = waitingFor[HERE] & ~BIT(other);
    other = 0
  }
#else
  /* If it has not taken the bit, it never will. Otherwise it is waited for. */
  if
  :: d_step {
      pendingFrom[other] & BIT(HERE) ->
      LOCKED;
      pendingFrom[other] = pendingFrom[other] & ~BIT(HERE);
      waitingFor[HERE] = waitingFor[HERE] & ~BIT(other);
      other = 0
    }
  :: atomic { !(pendingFrom[other] & BIT(HERE)) -> other = 0 }
  fi
#endif
#endif
}

#include "requests.h"

/* ActiveRoots.answeringProcessors: their words, one after another, after a fence. */
inline readAnswering() {
#ifndef BUG_NO_FENCE
  d_step { LOCKED };
#endif
  do
  :: atomic {
      other < N ->
      if
      :: answers[other] && other != HERE -> others = others | BIT(other)
      :: else
      fi;
      other++
    }
  :: other == N -> break
  od;
  atomic { other = 0; requestedPage[HERE] = page; waitingFor[HERE] = others }
}

#define IS_CLEAN(p, page, allowed) (!runs[p] || !(TLB(p, page) & ~(allowed)))

inline assertClean(page, allowed) {
  assert(IS_CLEAN(0, page, allowed) && IS_CLEAN(1, page, allowed));
#if N > 2
  assert(IS_CLEAN(2, page, allowed));
#endif
}

/* The life of a cursor that unmaps the page, or maps it. */
inline change() {
  acquireLock();
  atomic {
    old = entry[page];
    if
    :: old == 0 && freeFrames != 0 -> new = LOWEST(freeFrames)
    :: old == 0 && freeFrames == 0 -> new = 0
    :: old != 0 -> new = 0
    fi;
    freeFrames = freeFrames & ~BIT(new);
    buffered[HERE] = new; bufferedPage[HERE] = page
  };
  if
  :: old != 0 ->
    readAnswering();
    if :: others != 0 -> send(); flushHere(page); waitForAnswers() :: else -> flushHere(page) fi
  :: else
  fi;
  atomic {
    drain(HERE);
    assertClean(page, BIT(entry[page]));
    nodeLock[page] = false
  };
  atomic {
    if
    :: old != 0 ->
      assertClean(0, FRAMES & ~BIT(old));
#if PAGES > 1
      assertClean(1, FRAMES & ~BIT(old));
#endif
      freeFrames = freeFrames | BIT(old)
    :: else
    fi;
    old = 0; new = 0
  }
}

/* ActiveSpace.stop, by way of TLBShootdown.removeProcessor. */
inline stop() {
  runs[HERE] = false;
  answers[HERE] = false
}

/* ActiveSpace.start, by way of TLBShootdown.addProcessor. An interrupt from before it is lost. */
inline start() {
  interrupted[HERE] = false;
  d_step { LOCKED; answers[HERE] = true };
#ifndef BUG_STARTED_WITHOUT_FLUSH
  flushHere(0);
#if PAGES > 1
  flushHere(1);
#endif
#endif
  runs[HERE] = true;
#ifndef BUG_STARTED_WITHOUT_ANSWERS
  if :: pendingFrom[HERE] != 0 -> answer() :: else fi
#endif
}

active [N] proctype program() provided (!handling[HERE]) {
  byte askers, asker, others, other, idle, old, new, page;
  bool isStop;
  isReady;
  interruptsOff[HERE] = true;
  if
  :: atomic { left == STEPS -> answers[HERE] = true; runs[HERE] = true }
  :: start()
  fi;
  interruptsOff[HERE] = false;
  do
  :: atomic {
      left > 0 ->
      left--;
      if
      :: isStop = true; interruptsOff[HERE] = true
      :: skip
      :: interruptsOff[HERE] = true
      fi;
#if PAGES > 1
      if :: !isStop -> page = 1 :: page = 0 fi
#endif
    };
    if
    :: isStop ->
      stop();
      if :: start() :: break fi
    :: else -> change()
    fi;
    atomic { isStop = false; page = 0; interruptsOff[HERE] = false }
  :: left == 0 -> break
  od
}
