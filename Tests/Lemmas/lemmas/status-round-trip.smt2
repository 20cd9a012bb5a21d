; A status that is made from a payload and a property gives both back, of the property all that a
; page has before it is used: not the global bit, nor that it was accessed, written or shared by a
; fork. It is no leaf, refers to no table, and holds no address of memory below 2^51.
; broken statusBits: what the program may do is left out
;   find: (ite (has property user) copyOnWrite (_ bv0 64))
;   put: (_ bv0 64)
; broken statusBits: the cache policy is stored beside its place
;   find: (bvshl (bvand property cachePolicy) (_ bv58 64))
;   put: (bvshl (bvand property cachePolicy) (_ bv57 64))
; broken pending: the payload is stored as it is
;   find: (status number)
;   put: (bvor (bvshl number (_ bv12 64)) statusBit)
; broken statusProperty: whether a fork leaves the page shared is lost
;   find: (bvor software shared noExecute)
;   put: (bvor software noExecute)
; broken statusProperty: a right is read from beside its place
;   find: (bvlshr entry (_ bv57 64))
;   put: (bvlshr entry (_ bv56 64))
(declare-const bits Word)
(declare-const number Word)
(assert (isProperty bits))
(assert (bvult number #x0000000100000000))
(define-fun isVacant ((entry Word)) Bool
  (and
    (isStatus entry)
    (not (isTable entry))
    (not (isOwnTable entry))
    (has entry #x0008000000000000)
    (= (settled entry) entry)))
(define-fun kept ((property Word)) Word
  (bvand property (bvnot (bvor global copyOnWrite #x0000000000000060))))
(assert (not
  (and
    (isVacant (pending number bits))
    (isVacant (demandZero bits))
    (= (payload (pending number bits)) number)
    (= (statusKind (pending number bits)) (_ bv2 64))
    (= (statusKind (demandZero bits)) (_ bv1 64))
    (= (statusKind (status number)) (_ bv0 64))
    (= (statusProperty (pending number bits)) (kept bits))
    (= (statusProperty (demandZero bits)) (kept bits)))))
