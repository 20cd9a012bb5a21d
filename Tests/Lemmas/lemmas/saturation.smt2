; A saturated frame is never freed. From the maximum, after fewer than 2^31 shares and 2^31 drops
; that other processors have begun and not completed, a drop is not the last, nothing panics, and
; whatever takes the slow path sets the count to the maximum again. The last share before the
; maximum saturates the frame, and so do many at once.
; broken isJustAboveMaximum: a count above the maximum is not reset
;   find: (bvult (bvsub count maximum) #x0000000100000000)
;   put: false
; broken shareIsSlow: a share from just below the maximum is not noticed
;   find: (bvuge (bvsub old (_ bv1 64)) (bvsub maximum (_ bv2 64)))
;   put: (bvuge (bvsub old (_ bv1 64)) maximum)
; broken shareManyIsSlow: many shares are not noticed until they are past the maximum
;   find: (bvsub (bvsub maximum (_ bv1 64)) added)
;   put: (bvsub maximum (_ bv1 64))
; broken dropIsSlow: a saturated count is dropped like any other
;   find: (bvuge (bvsub old (_ bv2 64)) (bvsub maximum (_ bv2 64)))
;   put: (bvuge (bvsub old (_ bv2 64)) (bvnot (_ bv1 64)))
(declare-const shares Word)
(declare-const drops Word)
(declare-const added Word)
(declare-const last Word)
(assert (bvult shares #x0000000080000000))
(assert (bvult drops #x0000000080000000))
(assert (bvult added #x0000000080000000))
(assert (and (bvule (_ bv1 64) last) (bvule last maximum)))
(define-fun count () Word (bvsub (bvadd maximum shares) drops))
(assert (not
  (and
    (not (dropIsLast count))
    (not (dropPanics count))
    (not (sharePanics count))
    (=> (bvuge count maximum) (= (countAfterDrop count) maximum))
    (=> (bvuge count maximum) (= (countAfterShare count) maximum))
    (= (countAfterShare (bvsub maximum (_ bv1 64))) maximum)
    (bvule (countAfterShareMany last added) maximum)
    (=> (bvuge (bvadd last added) maximum) (= (countAfterShareMany last added) maximum)))))
