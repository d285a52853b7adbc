//! `let name = expression`, and loops `for i in … ; j in …` up to `end`.
//!
//! They are read, so that faults in them are found, but not carried out yet.
//!
//! ```text
//! let år = 2020
//! for i, navn in 2000 : 2002, første andre tredje
//! create-dataset navn ++ $i
//! end
//! ```

use crate::ast::{Command, Iteration, LoopLevel};
use crate::lexer::Token;
use crate::parser::{Cursor, Parse};
use crate::problem::Expected;

pub(super) fn parse_let(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let name = cursor.name(Expected::NewName)?;
    cursor.need(Token::Assign, Expected::Assign)?;
    let value = cursor.expression()?;
    cursor.end()?;
    Ok(Command::Let { name, value })
}

pub(super) fn parse_end(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    cursor.end()?;
    Ok(Command::End)
}

pub(super) fn parse_for(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let mut levels = vec![level(cursor)?];
    while cursor.eat(Token::Semicolon) {
        levels.push(level(cursor)?);
    }
    cursor.end()?;
    Ok(Command::For(levels))
}

fn level(cursor: &mut Cursor<'_, '_, '_>) -> Parse<LoopLevel> {
    let mut names = vec![cursor.name(Expected::NewName)?];
    while cursor.eat(Token::Comma) {
        names.push(cursor.name(Expected::NewName)?);
    }
    cursor.need_word("in", Expected::In)?;
    let mut iterations = vec![iteration(cursor)?];
    while cursor.eat(Token::Comma) {
        let next = iteration(cursor)?;
        // With one iterator, commas separate its words as blanks do: `for i in mor, far`.
        match (names.len(), &mut iterations[..], next) {
            (1, [Iteration::Words(words)], Iteration::Words(more)) => words.extend(more),
            (_, _, next) => iterations.push(next),
        }
    }
    if iterations.len() != names.len() {
        return Err(cursor.expected(Expected::Value));
    }
    Ok(LoopLevel { names, iterations })
}

fn iteration(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Iteration> {
    let first = cursor.expression()?;
    if cursor.eat(Token::Colon) {
        return Ok(Iteration::Range(first, cursor.expression()?));
    }
    let mut words = vec![first];
    while !matches!(cursor.peek(), None | Some(Token::Comma | Token::Semicolon)) {
        words.push(cursor.expression()?);
    }
    Ok(Iteration::Words(words))
}
