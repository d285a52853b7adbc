// Checks a Kobling log with the original implementation of signed notes and tiles, golang.org/x/mod/sumdb.
//
// Arguments: the log's folder, and optionally one of
//
//   - the size of an earlier state and its root in hexadecimal digits;
//   - "cosigned", a checkpoint of the log with the signature of another party, and that party's key as cosigner;
//   - "request", what the log's party sends to a witness, and the root of the old size that it names, in hexadecimal digits.
//
// Checked are the checkpoint's signature, that every entry is the one in the tree (a proof of inclusion from the tiles), and that the tree
// continues its earlier states (a proof of consistency): the one named, the one cosigned. Of a request, that its own proof says so.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Println("bad:", err)
		os.Exit(1)
	}
}

// tiles reads tiles of height 8 from a folder. Go's own servers put the height into the path; the standard does not.
type tiles struct{ folder string }

func (tiles) Height() int { return 8 }

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, tile := range wanted {
		data, err := os.ReadFile(t.path(tile, strconv.Itoa(tile.L)))
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

func (t tiles) path(tile tlog.Tile, level string) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/8/%d/", tile.L))
	return filepath.Join(t.folder, "tile", level, path)
}

// cosigner verifies cosignatures (c2sp.org/tlog-cosignature), a kind of signature that Go's library does not know by itself.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time uint64
}

func newCosigner(text string) (*cosigner, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q is not a key", text)
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, fmt.Errorf("%q is not the key of a cosigner", text)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if binary.BigEndian.Uint32(sum[:]) != uint32(hash) {
		return nil, fmt.Errorf("%q has another key hash", text)
	}
	return &cosigner{name: parts[0], hash: uint32(hash), key: key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	c.time = binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", c.time, text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

// head reads the text of a checkpoint.
func head(text, name string) (int64, tlog.Hash) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != name {
		check(fmt.Errorf("not a checkpoint of %s", name))
	}
	size := must(strconv.ParseInt(lines[1], 10, 64))
	var root tlog.Hash
	copy(root[:], must(base64.StdEncoding.DecodeString(lines[2])))
	return size, root
}

func hexadecimal(text string) (hash tlog.Hash) {
	copy(hash[:], must(hex.DecodeString(text)))
	return
}

// request checks what is sent to a witness: an old size, the proof and the checkpoint.
func request(body []byte, verifier note.Verifier, then tlog.Hash) {
	before, checkpoint, found := strings.Cut(string(body), "\n\n")
	if !found {
		check(fmt.Errorf("not a request"))
	}
	lines := strings.Split(before, "\n")
	old := must(strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64))
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		var hash tlog.Hash
		copy(hash[:], must(base64.StdEncoding.DecodeString(line)))
		proof = append(proof, hash)
	}
	size, root := head(must(note.Open([]byte(checkpoint), note.VerifierList(verifier))).Text, verifier.Name())
	check(tlog.CheckTree(proof, size, root, old, then))
}

func main() {
	folder := os.Args[1]
	key := strings.TrimSpace(string(must(os.ReadFile(filepath.Join(folder, "key")))))
	verifier := must(note.NewVerifier(key))
	signed := must(os.ReadFile(filepath.Join(folder, "checkpoint")))
	opened := must(note.Open(signed, note.VerifierList(verifier)))
	size, root := head(opened.Text, verifier.Name())

	read := tiles{folder}
	// Each tile that it reads is checked against the root first.
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, read)
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		bundle := must(os.ReadFile(read.path(tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}, "entries")))
		for index := first; index < first+width; index++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				check(fmt.Errorf("entry %d is cut off", index))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			proof := must(tlog.ProveRecord(size, index, hashes))
			if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(bundle[2:end])); err != nil {
				check(fmt.Errorf("entry %d: %w", index, err))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("entry %d is followed by more", first+width-1))
		}
	}
	continues := func(earlier int64, then tlog.Hash) {
		check(tlog.CheckTree(must(tlog.ProveTree(size, earlier, hashes)), size, root, earlier, then))
	}
	switch {
	case len(os.Args) == 2:
	case os.Args[2] == "cosigned":
		by := must(newCosigner(os.Args[4]))
		cosigned := must(note.Open(must(os.ReadFile(os.Args[3])), note.VerifierList(verifier, by)))
		if len(cosigned.Sigs) != 2 {
			check(fmt.Errorf("not signed by both"))
		}
		continues(head(cosigned.Text, verifier.Name()))
		fmt.Printf("cosigned: %d\n", by.time)
	case os.Args[2] == "request":
		request(must(os.ReadFile(os.Args[3])), verifier, hexadecimal(os.Args[4]))
	default:
		continues(must(strconv.ParseInt(os.Args[2], 10, 64)), hexadecimal(os.Args[3]))
	}
	fmt.Printf("ok: %d %x\n", size, root[:])
}
