//! Class names and colours.

use serde::{Deserialize, Serialize};

/// An sRGB colour, one byte a channel.
pub type Color = [u8; 3];

/// What the class ids of a model mean: id `i` is called `names[i]` and drawn in `palette[i]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// Names, by class id.
    #[serde(rename = "class_names")]
    pub names: Vec<String>,
    /// Colours, by class id; as many as names.
    pub palette: Vec<Color>,
    /// The label id that training and evaluation ignore, where there is one. The model never predicts it.
    pub ignore_index: Option<u8>,
}

impl Classes {
    /// The 11 classes of CamVid in the split published with SegNet; label 11 is void.
    pub fn camvid() -> Self {
        Self::from_table(&CAMVID, 11)
    }

    /// The 19 evaluation classes of Cityscapes by `trainId`; label 255 is ignored.
    pub fn cityscapes() -> Self {
        Self::from_table(&CITYSCAPES, 255)
    }

    /// Classes of these names, coloured by the bit-interleaving scheme of PASCAL VOC (without its black).
    pub fn named(names: Vec<String>) -> Self {
        let palette = (1..=names.len()).map(voc_color).collect();
        Self { names, palette, ignore_index: Some(255) }
    }

    fn from_table(table: &[(&str, Color)], ignore_index: u8) -> Self {
        Self {
            names: table.iter().map(|(name, _)| (*name).to_owned()).collect(),
            palette: table.iter().map(|(_, color)| *color).collect(),
            ignore_index: Some(ignore_index),
        }
    }
}

/// Colour `index` of PASCAL VOC's scheme: the index's bits, dealt to red, green and blue from the top bit down.
fn voc_color(index: usize) -> Color {
    let mut color = [0u8; 3];
    for bit in 0..8 {
        for (channel, value) in color.iter_mut().enumerate() {
            *value |= (((index >> (3 * bit + channel)) & 1) as u8) << (7 - bit);
        }
    }
    color
}

const CAMVID: [(&str, Color); 11] = [
    ("Sky", [128, 128, 128]),
    ("Building", [128, 0, 0]),
    ("Pole", [192, 192, 128]),
    ("Road", [128, 64, 128]),
    ("Pavement", [60, 40, 222]),
    ("Tree", [128, 128, 0]),
    ("SignSymbol", [192, 128, 128]),
    ("Fence", [64, 64, 128]),
    ("Car", [64, 0, 128]),
    ("Pedestrian", [64, 64, 0]),
    ("Bicyclist", [0, 128, 192]),
];

const CITYSCAPES: [(&str, Color); 19] = [
    ("road", [128, 64, 128]),
    ("sidewalk", [244, 35, 232]),
    ("building", [70, 70, 70]),
    ("wall", [102, 102, 156]),
    ("fence", [190, 153, 153]),
    ("pole", [153, 153, 153]),
    ("traffic light", [250, 170, 30]),
    ("traffic sign", [220, 220, 0]),
    ("vegetation", [107, 142, 35]),
    ("terrain", [152, 251, 152]),
    ("sky", [70, 130, 180]),
    ("person", [220, 20, 60]),
    ("rider", [255, 0, 0]),
    ("car", [0, 0, 142]),
    ("truck", [0, 0, 70]),
    ("bus", [0, 60, 100]),
    ("train", [0, 80, 100]),
    ("motorcycle", [0, 0, 230]),
    ("bicycle", [119, 11, 32]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_colours_are_the_published_ones_and_differ() {
        assert_eq!(voc_color(1), [128, 0, 0]);
        assert_eq!(voc_color(2), [0, 128, 0]);
        assert_eq!(voc_color(3), [128, 128, 0]);
        assert_eq!(voc_color(15), [192, 128, 128]);
        let classes = Classes::named((0..256).map(|i| format!("class {i}")).collect());
        let distinct: std::collections::HashSet<_> = classes.palette[..255].iter().collect();
        assert_eq!(distinct.len(), 255);
    }
}
