//! Tables without lines: columns apart by two spaces, wrapped to 100 columns.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement};

use super::style::Tone;

/// The width that every table fits.
pub const WIDTH: u16 = 100;

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// A table under construction.
pub struct Table {
    inner: comfy_table::Table,
    /// Titles of the groups; each stands in place of an empty row, so that its length moves no column.
    titles: Vec<String>,
    /// Lines before the first row: none where no column has a heading.
    heading_lines: usize,
}

impl Table {
    /// A table with these column headings; without a line of headings where all are empty.
    pub fn new(columns: &[(&str, Side)]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .enforce_styling()
            .set_header(columns.iter().map(|(name, _)| cell(name, Tone::Faint)));
        // Styled padding would hide the spaces at the end of a line from being trimmed.
        inner.style_text_only();
        for (column, (_, side)) in inner.column_iter_mut().zip(columns) {
            column.set_padding((0, 2));
            column.set_cell_alignment(match side {
                Side::Left => CellAlignment::Left,
                Side::Right => CellAlignment::Right,
            });
        }
        Self {
            inner,
            titles: Vec::new(),
            heading_lines: columns.iter().any(|(name, _)| !name.is_empty()).into(),
        }
    }

    /// A row of plain cells.
    pub fn row<I: IntoIterator<Item = S>, S: AsRef<str>>(&mut self, cells: I) {
        self.inner.add_row(
            cells
                .into_iter()
                .map(|text| cell(text.as_ref(), Tone::Plain)),
        );
    }

    /// A row whose cells have roles.
    pub fn toned_row<I: IntoIterator<Item = (S, Tone)>, S: AsRef<str>>(&mut self, cells: I) {
        self.inner.add_row(
            cells
                .into_iter()
                .map(|(text, tone)| cell(text.as_ref(), tone)),
        );
    }

    /// A line that names the rows below it.
    pub fn group(&mut self, title: &str) {
        self.inner.add_row([""]);
        self.titles.push(Tone::Strong.paint(title));
    }

    /// The table's text; its last line is not ended.
    pub fn render(&self) -> String {
        let mut titles = self.titles.iter();
        let text = self.inner.trim_fmt();
        let heading = text.lines().take(self.heading_lines);
        let rows = text.lines().skip(1).map(|line| match line.is_empty() {
            true => titles.next().map_or(line, String::as_str),
            false => line,
        });
        heading.chain(rows).collect::<Vec<_>>().join("\n")
    }
}

fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        // Escape codes around nothing would keep the spaces before them at the end of a line.
        _ if text.is_empty() => cell,
        Tone::Plain => cell,
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Good => cell.fg(Color::Green),
        Tone::Warning => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}
