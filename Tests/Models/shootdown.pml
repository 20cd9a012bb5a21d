/*
 * Flushes of user pages on all processors that may have cached them: pages of one space, which
 * processors map, replace and unmap, with interrupts on or off, while they enter and leave the
 * space. A frame that was unmapped is freed, and mapped again by the next.
 *
 * Steps of: TLBShootdown.flushEverywhere, flush, ask, send, waitForAnswers, answer;
 * PageTableNode.setActive, activeProcessorsAfterWrites, advanceVersion; ActiveSpace.switchTo,
 * enter, leave; ActiveRoots.beginSwitch, endSwitch, processors; ProcessContexts.load, noteFlushed;
 * RangeLock.deinit.
 *
 * -DWORDS     processors are found by their words in ActiveRoots, as those beyond the first 64
 * -DCONTEXTS  so many process-context identifiers keep translations
 * -DROLES     one processor enters and leaves, and each other changes a page of its own
 *
 * What holds: when a change returns, no processor that runs on the space can use a translation that
 * is older (coherence); and a frame that is freed is in no such processor's TLB.
 */
#define WALKS(processor) (inSpace[processor])
bool inSpace[4];      /* CR3 holds the root of the space, and not that of the kernel */
byte activeSet;       /* NodeMetadata.activeProcessors of the root */
#ifdef WORDS
byte word[4];         /* ActiveRoots: 0 = the kernel's root, 1 = the space's, 2 = it is switching */
#endif
#ifdef CONTEXTS
byte tlb[16];         /* what is cached under each of up to two identifiers, for two pages */
byte context[4];      /* the identifier in CR3, from 1; 0 = that of the kernel's root */
byte nextContext[4];  /* the identifier that was taken longest ago, from 0 */
byte noted[8];        /* the version that is cached under an identifier; 0 = nothing */
byte version = 1;     /* of the root */
byte newest = 1;      /* the last version that was made */
byte oldVersions[4];  /* of the requests */
byte newVersions[4];
#define TLB(processor, page) tlb[4 * (processor) + 2 * (context[processor] - 1) + page]
#define NOTED(processor) noted[2 * (processor) + context[processor] - 1]
#else
byte tlb[8];
#define TLB(processor, page) tlb[2 * (processor) + page]
#endif

#include "machine.h"

/* TLBShootdown.flush(whatIsAskedBy:), and ProcessContexts.noteFlushed for each request. */
inline flushAsked() {
  atomic {
    asker = 0;
    do
    :: asker < N && (askers & BIT(asker)) && inSpace[HERE] ->
      flushHere(requestedPage[asker]);
#if defined(BUG_ANY_VERSION_NOTED)
      NOTED(HERE) = newVersions[asker];
#elif defined(CONTEXTS)
      if :: NOTED(HERE) == oldVersions[asker] -> NOTED(HERE) = newVersions[asker] :: else fi;
#endif
      asker++
    :: asker < N && !((askers & BIT(asker)) && inSpace[HERE]) -> asker++
    :: asker == N -> asker = 0; break
    od
  }
}

#include "requests.h"

/* PageTableNode.activeProcessorsAfterWrites, or advanceVersion: by a locked instruction. */
inline readActive() {
#if defined(CONTEXTS)
  d_step {
    newest++;
    LOCKED;
    oldVersions[HERE] = version;
#ifndef BUG_VERSION_STAYS
    version = newest;
#endif
    newVersions[HERE] = version
  };
  set = activeSet
#elif defined(BUG_SET_READ_BY_A_LOAD)
  set = activeSet
#elif defined(WORDS)
  d_step { LOCKED };
  other = 0;
  do
#ifdef BUG_SWITCHING_NOT_FOUND
  :: other < N && word[other] == 1 -> set = set | BIT(other); other++
  :: other < N && word[other] != 1 -> other++
#else
  :: other < N && word[other] != 0 -> set = set | BIT(other); other++
  :: other < N && word[other] == 0 -> other++
#endif
  :: other == N -> other = 0; break
  od
#else
  d_step { LOCKED; set = activeSet }
#endif
#ifdef BUG_FIRST_PROCESSOR_NOT_ASKED
  ; set = set & ~1 | set & BIT(HERE)
#endif
}

/* The flush of this processor, and with identifiers ProcessContexts.noteFlushed. */
inline flushOwn() {
  atomic {
    if :: set & BIT(HERE) -> flushHere(page) :: else fi;
#ifdef CONTEXTS
    if
    :: inSpace[HERE] && NOTED(HERE) == oldVersions[HERE] -> NOTED(HERE) = newVersions[HERE]
    :: else
    fi;
#endif
    set = 0
  }
}

/* TLBShootdown.flushEverywhere and flush. */
inline flush() {
#ifndef BUG_SET_READ_BEFORE_WRITE
  readActive();
#endif
  atomic {
    others = set & ~BIT(HERE);
    requestedPage[HERE] = page;
    waitingFor[HERE] = others;
#ifdef BUG_ONE_ANSWER_IS_ENOUGH
    asked = others
#endif
  };
  if
  :: others != 0 ->
    send();
    flushOwn();
#ifndef BUG_UNLOCK_BEFORE_WAIT
    waitForAnswers()
#endif
  :: else -> flushOwn()
  fi
}

/* No processor that runs on the space has cached more of a page than `allowed`. */
#define IS_CLEAN(p, page, allowed) (!inSpace[p] || !(TLB(p, page) & ~(allowed)))

inline assertClean(page, allowed) {
  assert(IS_CLEAN(0, page, allowed) && IS_CLEAN(1, page, allowed));
#if N > 2
  assert(IS_CLEAN(2, page, allowed));
#endif
#if N > 3
  assert(IS_CLEAN(3, page, allowed));
#endif
}

inline free() {
  atomic {
    if
    :: old != 0 ->
      assertClean(0, FRAMES & ~BIT(old));
      assert(entry[0] != old && !(freeFrames & BIT(old)));
#if PAGES > 1
      assertClean(1, FRAMES & ~BIT(old));
      assert(entry[1] != old);
#endif
      freeFrames = freeFrames | BIT(old)
    :: else
    fi;
    old = 0; new = 0
  }
}

/* The life of a cursor that changes the page. */
inline change() {
  acquireLock();
  atomic {
    old = entry[page];
    if
    :: old == 0 && freeFrames != 0 -> new = LOWEST(freeFrames)
    :: old == 0 && freeFrames == 0 -> new = 0
    :: old != 0 && replaces && freeFrames != 0 -> new = LOWEST(freeFrames)
    :: else -> new = 0
    fi;
    freeFrames = freeFrames & ~BIT(new)
  };
#ifdef BUG_SET_READ_BEFORE_WRITE
  readActive();
#endif
#ifdef BUG_FLUSH_BEFORE_WRITE
  if :: old != 0 -> flush() :: else fi;
#endif
  atomic { buffered[HERE] = new; bufferedPage[HERE] = page };
#ifdef BUG_FREE_BEFORE_REQUEST
  free();
#endif
#ifndef BUG_FLUSH_BEFORE_WRITE
  if :: old != 0 -> flush() :: else fi;
#endif
  /* The stores of the entry and of the lock leave the buffer in their order. */
  atomic {
    drain(HERE);
    assertClean(page, BIT(entry[page]));
    nodeLock[page] = false
  };
#ifdef BUG_UNLOCK_BEFORE_WAIT
  waitForAnswers();
#endif
  free()
}

inline fillPages() {
  fill(HERE, 0);
#if PAGES > 1
  fill(HERE, 1);
#endif
}

/* The load of CR3, which flushes; or, with identifiers, ProcessContexts.load. */
inline load() {
#ifdef CONTEXTS
#ifndef BUG_VERSION_READ_BEFORE_ACTIVE
  seen = version;
#endif
  d_step {
    if
    :: noted[2 * HERE] == seen -> context[HERE] = 1; inSpace[HERE] = true
    :: noted[2 * HERE] != seen && noted[2 * HERE + 1] == seen ->
      context[HERE] = 2; inSpace[HERE] = true
    :: else ->
      context[HERE] = nextContext[HERE] + 1;
      nextContext[HERE] = (nextContext[HERE] + 1) % CONTEXTS;
      inSpace[HERE] = true;
#ifndef BUG_LOADED_WITHOUT_FLUSH
      TLB(HERE, 0) = 0;
      TLB(HERE, 1) = 0;
#endif
      NOTED(HERE) = seen
    fi;
    fillPages();
    assert(!(TLB(HERE, 0) & freeFrames) && !(TLB(HERE, 1) & freeFrames));
    seen = 0
  }
#else
  d_step {
    LOCKED;
    inSpace[HERE] = true;
    tlb[2 * HERE] = 0;
    tlb[2 * HERE + 1] = 0;
    fillPages()
  }
#endif
}

/* ActiveSpace.switchTo, with interrupts off: enter the space, or leave it for the kernel's root. */
inline switchSpace() {
  if
  :: !inSpace[HERE] ->
#ifdef BUG_VERSION_READ_BEFORE_ACTIVE
    seen = version;
#endif
#ifndef BUG_ACTIVE_AFTER_LOAD
    d_step { LOCKED; activeSet = activeSet | BIT(HERE) };
#endif
#ifdef WORDS
    d_step { LOCKED; word[HERE] = 2 };
#endif
    load();
#ifdef WORDS
    word[HERE] = 1;
#endif
#ifdef BUG_ACTIVE_AFTER_LOAD
    d_step { LOCKED; activeSet = activeSet | BIT(HERE) }
#endif
  :: else ->
#ifdef BUG_INACTIVE_BEFORE_LOAD
    d_step { LOCKED; activeSet = activeSet & ~BIT(HERE) };
#endif
#ifdef WORDS
    d_step { LOCKED; word[HERE] = 2 };
#endif
#ifdef CONTEXTS
    d_step { LOCKED; context[HERE] = 0; inSpace[HERE] = false };
#else
    d_step { LOCKED; tlb[2 * HERE] = 0; tlb[2 * HERE + 1] = 0; inSpace[HERE] = false };
#endif
#ifdef WORDS
    word[HERE] = 0;
#endif
#ifndef BUG_INACTIVE_BEFORE_LOAD
    d_step { LOCKED; activeSet = activeSet & ~BIT(HERE) }
#endif
  fi
}

/* The processor is in the space before anything is changed. */
inline begin() {
  d_step {
    left == STEPS ->
    activeSet = activeSet | BIT(HERE);
    inSpace[HERE] = true;
#ifdef WORDS
    word[HERE] = 1;
#endif
#ifdef CONTEXTS
    context[HERE] = 1;
    nextContext[HERE] = 1 % CONTEXTS;
    NOTED(HERE) = version;
#endif
    fillPages()
  }
}

active [N] proctype program() provided (!handling[HERE]) {
  byte askers, asker, others, other, idle, set, old, new, page;
  bool replaces, isSwitch;
#ifdef BUG_ANSWER_BEFORE_FLUSH
  byte again;
#endif
#ifdef BUG_ONE_ANSWER_IS_ENOUGH
  byte asked;
#endif
#ifdef CONTEXTS
  byte seen;
#endif
  isReady;
  if :: begin() :: skip fi;
  do
  :: atomic {
      left > 0 ->
      left--;
      if
#ifdef ROLES
      :: HERE == 0 -> isSwitch = true; interruptsOff[HERE] = true
      :: HERE != 0 -> page = HERE - 1
#else
      :: isSwitch = true; interruptsOff[HERE] = true
      :: skip
      :: interruptsOff[HERE] = true
      :: replaces = true
      :: replaces = true; interruptsOff[HERE] = true
#endif
      fi;
#if PAGES > 1 && !defined(ROLES)
      if :: !isSwitch -> page = 1 :: page = 0 fi
#endif
    };
    if :: isSwitch -> switchSpace() :: else -> change() fi;
    atomic { replaces = false; isSwitch = false; page = 0; interruptsOff[HERE] = false }
  :: left == 0 -> break
  od
}
