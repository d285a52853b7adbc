//! Rule 15: what names a unit stands in no expression and in no table.
//!
//! - Number: none, and no setting: it always holds.
//! - What: the unit's own identity, and variables that point to other units (a mother, an employer). They may stand in `by()` and `on`, which
//!   say whose rows belong together, and be renamed. There is no function of a row's number, of a hash or of the rank of an identity.
//! - Effect: the script is refused at the place where the name stands, before anybody is asked. Nothing of data is looked at.
//! - Carried out: `script/` (the only way to a plan; problems `KeyInExpression` and `KeyInTable`), `model::catalogue` (a
//!   pointer is a kind of variable of its own), `model::expression` (no function takes a unit), and once more at each owner, which derives the plan
//!   itself (`node/src/extract.rs`).
//!
//! Why: a number that is one person's own is a key. Whoever may compute with keys can cut out any one person (`identity == …`), or give
//! each unit its own power of two and read a whole register from one sum; inverting covariances of such columns does the same.
//! Source: I. Dinur and K. Nissim, "Revealing Information while Preserving Privacy", PODS 2003: subsets that are anybody's choice are enough to
//! reconstruct nearly all values; A. Gadotti et al., "When the Signal is in the Noise", USENIX Security 2019, for the same against noise that follows from the set.
