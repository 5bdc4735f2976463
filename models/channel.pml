/* The channel of docs/spec/channel.md: two sides that may crash, a network that may do anything, and a chain on which
 * one side may cheat. models/README.md says what is left out, and how many states this has.
 *
 * A half is its seqno (an index) and its content (one byte: what it has sent, what its promises pay, which half of the
 * other side it cites). The network is the set of signed halves: a message that may be lost, doubled or overtaken is a
 * half that may be read late, again or never. So `net` is at once the network, and all that a cheater can show.
 *
 * Everything only grows (seqnos, floors, what is held), so there is no endless run, and "an exit ends" is that no run
 * stops before the channel is closed: the claim `exit_ends`.
 */

#ifndef HALVES_A
#define HALVES_A 3      /* a side signs at most this many, and the first of them is agreed */
#endif
#ifndef HALVES_B
#define HALVES_B 2
#endif
#define MOST 3
#ifndef CRASHES
#define CRASHES 1       /* of each side, at any moment */
#endif
#define A 0
#define B 1
#define NOBODY 2
#define OTHER(s) (1 - (s))

#define TOP (MOST + 1) /* stands for every seqno that nobody has used */
#define FINE 1

#define IS_HALF 64
#define SENT(c) ((c) & 3)
#define PAYS(c) (((c) >> 2) & 1)
#define BODY(c) ((c) & 7)   /* all but the citation, whose work is done in the floors */
#define CITES(c) (((c) >> 3) & 7)
#define HALF(sent, pays, cites) (IS_HALF | (sent) | ((pays) << 2) | ((cites) << 3))
#define OWES(c) (SENT(c) + PAYS(c))
#define MAX(x, y) ((x) > (y) -> (x) : (y))
#define MIN(x, y) ((x) < (y) -> (x) : (y))

#define OPEN 0
#define QUARANTINED 1
#define CLOSED 2

typedef Halves { byte at[TOP + 1] }

/* Who cheats on chain; off it, everybody follows the protocol. */
byte cheater;

/* What is signed: seqno to content. */
Halves net[2];

/* Durable. */
Halves record[2];       /* own halves */
byte written[2];        /* the newest of them */
byte held[2];           /* the newest half of the other side that was judged and not refused */
byte consumed;          /* B: the highest seqno of A accepted or refused */
byte refused;           /* B: the newest refused seqno; the answer to it is repeated for ever */
byte told_refused;      /* A: the newest refusal he knows of */
bit over[2];            /* the side has seen the start, or made it: it signs nothing new */

/* Volatile. */
byte draft[2];          /* a half made and not written yet */

/* For the claims only. */
byte shown[2];          /* the newest half of the other side that something rests on: a balance on a screen */
byte crashes[2];

/* The contract. */
byte phase;
byte initiator;
byte quarantined_seqno[2];
byte quarantined[2];
byte floor[2];
bit challenged;
bit fined;
byte came_seqno;        /* the half of its own with which the initiator came */
byte came;
bit calm[2];            /* the side has answered what it had to */

#define HONEST(s) ((s) != cheater)
#define TRADES(s) (!over[s] && phase != CLOSED)
#define ANSWERED MAX(CITES(net[B].at[held[A]]), told_refused)


/* ---- signing ---- */

/* Every signature of a half is made here. */
inline sign(side, seqno, content)
{
    assert(net[side].at[seqno] == 0 || net[side].at[seqno] == content);   /* one seqno, one half */
    net[side].at[seqno] = content
}

/* The next half promises something, or nothing (again), or has sent one more. */
inline compose(side, cited)
{
    if
    :: draft[side] = HALF(SENT(record[side].at[written[side]]), 0, cited)
    :: draft[side] = HALF(SENT(record[side].at[written[side]]), 1, cited)
    :: draft[side] = HALF(SENT(record[side].at[written[side]]) + 1, 0, cited)
    fi
}

inline write(side)
{
    written[side]++;
    record[side].at[written[side]] = draft[side];
    if
    :: side == B ->
        held[B] = CITES(draft[B]);           /* accepting and answering are one entry of the journal */
        consumed = MAX(consumed, held[B]);
        shown[B] = held[B]
    :: else
    fi;
    draft[side] = 0
}

/* What is lost is everything volatile; then the record is read. */
inline crash(side)
{
    crashes[side]++;
    draft[side] = 0;
#ifdef SIGN_ANEW
    written[side] = CITES(net[OTHER(side)].at[held[side]])  /* what was not answered is forgotten */
#endif
    assert(shown[side] <= held[side]);                       /* what was acknowledged is there */
    assert(net[side].at[written[side]] == 0 || CITES(net[side].at[written[side]]) <= held[side])
}

/* ---- the sides ---- */

#ifdef BELIEVE_BEFORE_WRITING
#define PUSH(n) atomic { TRADES(A) && draft[A] == 0 && shown[A] < n && net[B].at[n] != 0 -> shown[A] = n }
#else
#define PUSH(n) atomic { TRADES(A) && draft[A] == 0 && held[A] < n && net[B].at[n] != 0 -> held[A] = n }
#endif

proctype User()
{
end:
    do
    :: atomic { TRADES(A) && draft[A] == 0 && written[A] < HALVES_A && ANSWERED == written[A] ->
        compose(A, held[A]) }
#ifdef SIGN_BEFORE_WRITING
    :: atomic { draft[A] != 0 && net[A].at[written[A] + 1] != draft[A] -> sign(A, written[A] + 1, draft[A]) }
    :: atomic { draft[A] != 0 && net[A].at[written[A] + 1] == draft[A] -> write(A) }
#else
    :: atomic { TRADES(A) && draft[A] != 0 -> write(A) }
    :: atomic { net[A].at[written[A]] != record[A].at[written[A]] -> sign(A, written[A], record[A].at[written[A]]) }
#endif
    /* A push: any newer one will do. Judged, written, believed. */
    :: PUSH(2)
    :: PUSH(3)
#ifdef BELIEVE_BEFORE_WRITING
    :: atomic { held[A] < shown[A] -> held[A] = shown[A] }
#endif
    :: atomic { shown[A] < held[A] -> shown[A] = held[A] }
    :: atomic { TRADES(A) && refused == written[A] && told_refused < refused -> told_refused = refused }
    :: atomic { crashes[A] < CRASHES && phase != CLOSED -> crash(A) }
    od
}

proctype Service()
{
    byte n;
end:
    do
    /* A's next half is accepted, with an answer, or refused: its seqno is consumed. */
    :: atomic { TRADES(B) && draft[B] == 0 && written[B] < HALVES_B && consumed < HALVES_A && net[A].at[consumed + 1] != 0 ->
        compose(B, consumed + 1) }
    :: atomic { TRADES(B) && draft[B] == 0 && consumed < HALVES_A && net[A].at[consumed + 1] != 0 ->
        consumed++; refused = consumed }
    /* Something else happened: a fill of what rests. */
    :: atomic { TRADES(B) && draft[B] == 0 && written[B] < HALVES_B -> compose(B, held[B]) }
#ifdef SIGN_BEFORE_WRITING
    :: atomic { draft[B] != 0 && net[B].at[written[B] + 1] != draft[B] -> sign(B, written[B] + 1, draft[B]) }
    :: atomic { draft[B] != 0 && net[B].at[written[B] + 1] == draft[B] -> write(B) }
#else
    :: atomic { TRADES(B) && draft[B] != 0 -> write(B) }
    /* Halves are written in batches and go out later, in order. */
    :: atomic { net[B].at[written[B]] != record[B].at[written[B]] ->
        n = 1;
        do
        :: net[B].at[n] == record[B].at[n] -> n++
        :: else -> break
        od;
        sign(B, n, record[B].at[n]);
        n = 0 }
#endif
    :: atomic { crashes[B] < CRASHES && phase != CLOSED -> crash(B) }
    od
}

/* ---- the contract: the rules of src/fairway/channel/dispute.py, R1 to R5 ---- */

/* A message brings a pair. Zero outside an atomic step, so that it is no part of the state. */
byte seqno[2];
byte half[2];
byte raised[2];
bit lawful;
bit door;               /* an unsigned challenge: by anyone, for the side that did not start and has not spoken */
bit free;

inline forget_message()
{
    seqno[A] = 0; seqno[B] = 0; half[A] = 0; half[B] = 0; raised[A] = 0; raised[B] = 0;
    lawful = 0; door = 0; free = 0
}

/* R1, and what a half may never fall below. */
inline raise()
{
#ifdef NO_R1
    raised[A] = floor[A];
    raised[B] = floor[B];
#else
    raised[A] = MAX(floor[A], CITES(half[B]));
    raised[B] = MAX(floor[B], CITES(half[A]));
#endif
    lawful = seqno[A] >= raised[A] && seqno[B] >= raised[B] &&
        SENT(half[A]) >= SENT(net[A].at[CITES(half[B])]) &&
        SENT(half[B]) >= SENT(net[B].at[CITES(half[A])])
}

#define SAME_FLOORS (raised[A] == floor[A] && raised[B] == floor[B])
#define STANDS(s) (seqno[s] == quarantined_seqno[s] && BODY(half[s]) == quarantined[s])
#define COSIGNED(s) (CITES(half[s]) == seqno[OTHER(s)] && BODY(half[OTHER(s)]) == BODY(net[OTHER(s)].at[CITES(half[s])]))

inline keep(side)
{
    quarantined_seqno[side] = seqno[side];
    quarantined[side] = BODY(half[side])
}

inline start(side)
{
    raise();
    if
    :: lawful ->
        phase = QUARANTINED; initiator = side; floor[A] = raised[A]; floor[B] = raised[B]; keep(A); keep(B);
        came_seqno = seqno[side]; came = BODY(half[side])
    :: else
    fi
}

#ifdef FINE_BY_WHAT_STANDS
#define FINE_ABOVE quarantined_seqno[initiator]
#define FINE_ABOVE_HALF quarantined[initiator]
#else
#define FINE_ABOVE came_seqno
#define FINE_ABOVE_HALF came
#endif

inline challenge(side)
{
    raise();
    free = side != initiator && !challenged;
    if
    :: door -> lawful = lawful && !challenged && COSIGNED(side) && !(STANDS(OTHER(side)) && SAME_FLOORS)
    :: else -> lawful = lawful && (free || !SAME_FLOORS)                                        /* R5 */
    fi;
    if
    :: lawful ->
        floor[A] = raised[A]; floor[B] = raised[B];
        fined = fined || (OTHER(side) == initiator &&                                           /* R4 */
            (seqno[initiator] > FINE_ABOVE || SENT(half[initiator]) > SENT(FINE_ABOVE_HALF)));
        if
        :: quarantined_seqno[side] < floor[side] -> keep(side)                                  /* R3 */
        :: else
        fi;
        keep(OTHER(side));                                                                      /* R2 */
        challenged = challenged || (free && !door)
    :: else
    fi
}

/* What stands, but above its floor, can still be replaced through the door by an older half. */
#ifdef SILENT_WHERE_IT_STANDS
#define MAY_FALL(s) false
#else
#define MAY_FALL(s) (floor[s] < seqno[s])
#endif

inline newest_pair(side)
{
    seqno[side] = written[side];
    half[side] = net[side].at[written[side]];
    seqno[OTHER(side)] = held[side];
    half[OTHER(side)] = net[OTHER(side)].at[held[side]]
}

/* An honest side on chain: it may leave at any time, and answers a start once. It signs what it has written first. */
proctype Hand(byte side)
{
end:
    do
    :: atomic { phase == OPEN && HONEST(side) && !over[side] && net[side].at[written[side]] != 0 ->
#ifndef LEAVER_TRADES_ON
        over[side] = 1;
#endif
        draft[side] = 0;
        newest_pair(side);
        start(side);
#ifndef SIGNING_ONLY
        assert(lawful);
#endif
        calm[side] = 1;
        forget_message() }
    :: atomic { phase == QUARANTINED && HONEST(side) && !calm[side] && net[side].at[written[side]] != 0 ->
        over[side] = 1;
        draft[side] = 0;
        newest_pair(side);
#ifndef NO_CHALLENGE
        if
        :: !STANDS(OTHER(side)) || MAY_FALL(OTHER(side)) -> challenge(side)
        :: else
        fi;
#endif
        calm[side] = 1;
        forget_message() }
    od
}

/* Any half of his that is signed, or one that he signs now: under a new seqno or one he has used, promising nothing,
 * with the least sum that is not refused, citing what he likes. And any half of the other side. */
inline choose(side, n)
{
    do
    :: net[OTHER(side)].at[n + 1] != 0 -> n++
    :: n > 0 -> break
    od;
    seqno[OTHER(side)] = n;
    half[OTHER(side)] = net[OTHER(side)].at[n];
    n = 0;
    do
    :: net[side].at[n + 1] != 0 -> n++
    :: n > 0 -> half[side] = net[side].at[n]; seqno[side] = n; break
    :: n > 0 -> seqno[side] = n; break
    :: seqno[side] = TOP; break
    od;
    n = 0;
    if
    :: half[side] == 0 ->
        do
        :: n < seqno[OTHER(side)] -> n++
        :: break
        od;
        half[side] = HALF(SENT(net[side].at[CITES(half[OTHER(side)])]), 0, n)
    :: else
    fi;
    n = 0
}

/* What the contract refuses changes nothing: he could as well have stopped. */
proctype Cheat()
{
    byte n;
    bit stopped;
end:
    do
    :: atomic { !stopped && phase == OPEN ->
        choose(cheater, n);
        start(cheater);
        stopped = !lawful;
        forget_message() }
    :: atomic { !stopped && phase == QUARANTINED ->
        choose(cheater, n);
        if
        :: challenge(cheater)
        :: door = 1; challenge(OTHER(initiator))
        fi;
        stopped = !lawful;
        forget_message() }
    od
}

/* What a side gets over its deposit, by a pair (mine, theirs). Sums are shifted so that they stay above zero. */
byte entitled;          /* zero outside an atomic step */

#define SHIFT 16
#define GETS(mine, theirs) (SHIFT + OWES(theirs) - OWES(mine))
#define PENALTY(s) (!fined -> 0 : (initiator == (s) -> -FINE : FINE))

/* An honest side gets no less than by its newest half, or an older one that the other has not yet seen replaced, against
 * the newest half of the other that it holds; and is never fined. */
inline check_paid(side, n)
{
    if
    :: HONEST(side) ->
        assert(!(fined && initiator == side));
        n = MAX(1, CITES(net[OTHER(side)].at[held[side]]));
        entitled = 255;
        do
        :: n <= written[side] ->
            entitled = MIN(entitled, GETS(net[side].at[n], net[OTHER(side)].at[held[side]]));
            n++
        :: else -> break
        od;
        n = 0;
        assert(GETS(quarantined[side], quarantined[OTHER(side)]) + PENALTY(side) >= entitled);
        entitled = 0
    :: else
    fi
}

/* Anyone finishes, once the honest have had their time. */
proctype Contract()
{
    byte n;
end:
    atomic { phase == QUARANTINED && (!HONEST(A) || calm[A]) && (!HONEST(B) || calm[B]) ->
        phase = CLOSED;
#ifndef SIGNING_ONLY
        check_paid(A, n);
        check_paid(B, n)
#endif
    }
}

init
{
    atomic {
        if
        :: cheater = NOBODY
        :: cheater = A
        :: cheater = B
        fi;
        /* The first halves are agreed before money moves. */
        record[A].at[1] = HALF(0, 0, 0); net[A].at[1] = record[A].at[1];
        record[B].at[1] = HALF(0, 0, 1); net[B].at[1] = record[B].at[1];
        written[A] = 1; written[B] = 1; held[A] = 1; held[B] = 1; consumed = 1; shown[A] = 1; shown[B] = 1;
        run User(); run Service(); run Hand(A); run Hand(B); run Contract();
        if
        :: cheater != NOBODY -> run Cheat()
        :: else
        fi
    }
}

ltl exit_ends { [] ((phase == QUARANTINED) -> <> (phase == CLOSED)) }
