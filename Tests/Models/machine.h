/*
 * The processors of the models of the shootdown, with store buffers, TLBs and interrupts. A model
 * declares TLB(processor, page), the frames that may be cached for a page, a bit for each, and
 * WALKS(processor), whether the processor walks to the pages.
 *
 * A TLB holds everything that the architecture lets it hold: whatever a processor can walk to is
 * cached at once, and nothing is evicted. Nothing in the protocol reads a TLB, so that this is the
 * worst case. A store to an entry stays in the processor's store buffer until it drains by itself,
 * at any time, or by a locked instruction.
 *
 * A processor is two processes: its program, and its interrupt handler, during which the program
 * stands still.
 */
#ifndef N
#define N 3     /* processors */
#endif
#ifndef STEPS
#define STEPS 2 /* what they do together */
#endif
#ifndef PAGES
#define PAGES 1 /* pages, each with an entry in a table of its own */
#endif

#define BIT(x) (1 << (x))
#define NONE 255
#define FRAMES (BIT(PAGES + 2) - 2) /* the set of all frames, from number 1 */
#define LOWEST(set) ((set) & 2 -> 1 : ((set) & 4 -> 2 : 3))

byte entry[PAGES];          /* in memory: the frame that is mapped; 0 = absent */
byte buffered[N] = NONE;    /* the store to an entry that this store buffer has */
byte bufferedPage[N];       /* to which */
byte freeFrames = FRAMES;   /* a bit for each */
bool nodeLock[PAGES];       /* of the pages' tables */
byte left = STEPS;
bool isReady;               /* the first pages are mapped */

bool interruptsOff[N];
bool interrupted[N];        /* the local APIC has an interrupt that is not yet taken */
bool handling[N];           /* the interrupt handler runs */

byte pendingFrom[N];        /* TLBShootdown.pendingFrom, a bit for each processor */
byte waitingFor[N];         /* TLBShootdown.waitingFor */
byte requestedPage[N];      /* of ShootdownRequest */

/* The number of the processor whose program or handler this is. */
#define HERE (_pid % N)

inline fill(processor, page) {
  if
  :: WALKS(processor) && entry[page] != 0 ->
    TLB(processor, page) = TLB(processor, page) | BIT(entry[page])
  :: else
  fi
}

inline fillAll(page) {
  fill(0, page); fill(1, page);
#if N > 2
  fill(2, page);
#endif
#if N > 3
  fill(3, page);
#endif
  skip
}

inline drain(processor) {
  if
  :: buffered[processor] != NONE ->
    entry[bufferedPage[processor]] = buffered[processor];
    buffered[processor] = NONE;
    fillAll(bufferedPage[processor]);
    bufferedPage[processor] = 0
  :: else
  fi
}

/* A locked instruction: nothing of this processor's stays in its store buffer. */
#define LOCKED drain(HERE)

/* Flushes a page on this processor; it may be walked to again at once. */
inline flushHere(page) {
  d_step {
    LOCKED;
    TLB(HERE, page) = 0;
    fill(HERE, page)
  }
}

active proctype storeBuffers() {
  d_step {
    entry[0] = 1;
#if PAGES > 1
    entry[1] = 2;
#endif
    freeFrames = BIT(PAGES + 1);
    fillAll(0);
#if PAGES > 1
    fillAll(1);
#endif
    isReady = true
  };
end:
  do
  :: d_step { buffered[0] != NONE -> drain(0) }
  :: d_step { buffered[1] != NONE -> drain(1) }
#if N > 2
  :: d_step { buffered[2] != NONE -> drain(2) }
#endif
#if N > 3
  :: d_step { buffered[3] != NONE -> drain(3) }
#endif
  od
}
